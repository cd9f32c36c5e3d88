#include "table/network.h"

namespace dinomaly::table {

std::vector<Network> networksFor(const std::string& backend) {
  if (backend == "cpu") return {{"S/14 224", 1, 224, 384, 6}};
  std::vector<Network> networks;
  for (const int64_t images : {1, 16, 32}) {
    networks.push_back({"S/14 392", images, 392, 384, 6});
    networks.push_back({"B/14 392", images, 392, 768, 12});
  }
  return networks;
}

}  // namespace dinomaly::table
