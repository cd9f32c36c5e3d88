#include "table/cases.h"

#include <initializer_list>

namespace dinomaly::table {
namespace {

Cases joined(std::initializer_list<Cases> families) {
  Cases all;
  for (const Cases& family : families) all.insert(all.end(), family.begin(), family.end());
  return all;
}

}  // namespace

Cases testCases() {
  return joined({memoryCases(), linearCases(), elementwiseCases(), layerNormCases(), attentionCases(), tokenCases(),
                 mapCases(), stepCases(), recordingCases()});
}

Cases networkCases(const Network& network) {
  return joined({memoryCases(network), linearCases(network), elementwiseCases(network), layerNormCases(network),
                 attentionCases(network), tokenCases(network), mapCases(network), stepCases(network)});
}

}  // namespace dinomaly::table
