// dinomaly_check <command> --name value ...: runs the network on the device and writes what comes out.
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include "check/commands.h"

int main(int argc, char** argv) {
  using namespace dinomaly::check;
  const std::map<std::string, void (*)(const Flags&)> commands = {
      {"forward", forward}, {"score", score}, {"train", train}, {"bench", bench}};
  const auto command = commands.find(argc > 1 ? argv[1] : "");
  if (command == commands.end()) {
    std::fprintf(stderr, "expected forward, score, train or bench, found %s\n", argc > 1 ? argv[1] : "nothing");
    return 2;
  }
  try {
    command->second(Flags(argc - 2, argv + 2));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[1], error.what());
    return 1;
  }
}
