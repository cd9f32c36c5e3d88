// The table, by families of operations. `testCases`: small shapes and odd ones; `networkCases`: what the network
// computes.
#pragma once

#include "table/case.h"
#include "table/network.h"

namespace dinomaly::table {

Cases memoryCases();
Cases linearCases();
Cases elementwiseCases();
Cases layerNormCases();
Cases attentionCases();
Cases tokenCases();
Cases mapCases();
Cases stepCases();
Cases recordingCases();

Cases memoryCases(const Network& network);
Cases linearCases(const Network& network);
Cases elementwiseCases(const Network& network);
Cases layerNormCases(const Network& network);
Cases attentionCases(const Network& network);
Cases tokenCases(const Network& network);
Cases mapCases(const Network& network);
Cases stepCases(const Network& network);

/// Of all families.
Cases testCases();
Cases networkCases(const Network& network);

}  // namespace dinomaly::table
