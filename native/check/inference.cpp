#include <utility>

#include "check/commands.h"
#include "check/network.h"
#include "check/pictures.h"

namespace dinomaly::check {

void forward(const Flags& flags) {
  const Pictures pictures(flags);
  Network network(flags);
  Results results;
  network.forward(pictures.all(), results);
  results.write(flags.text("--results"));
}

void score(const Flags& flags) {
  const Pictures pictures(flags);
  Network network(flags);
  const int64_t count = pictures.count();
  Maps found;
  network.score(pictures.pixels(), pictures.side(), flags.number("--batch"),
                [&found](const MapsView& some) { found.add(some); });
  Results results;
  results.add("maps", {count, kMapSide, kMapSide}, std::move(found.maps));
  results.add("scores", {count}, std::move(found.scores));
  results.write(flags.text("--results"));
}

}  // namespace dinomaly::check
