// Bringing matrices into the order that product.h reads: panels and strips. Each works on a part, so that threads share
// the work.
#pragma once

#include <cstdint>

namespace dinomaly {

/// One panel of weights (out,in), rows of which, `stride` apart, are the columns of the panel: the panel of outputs `o`
/// (a multiple of kPanelCols) on, to panels + o * in.
void packWeightPanel(float* panels, const float* w, int64_t stride, int64_t in, int64_t out, int64_t o);
/// And back: those rows of w.
void unpackWeightPanel(float* w, const float* panels, int64_t in, int64_t out, int64_t o);

/// From panels (k,n) one panel of the transposed matrix, panels (n,k): columns `p` on of it, to transposed + p * n.
void transposePanel(float* transposed, const float* panels, int64_t k, int64_t n, int64_t p);

/// Rows (k,n) into the panels of columns `j` to `end`; to sums (n), unless null, those columns are added, in the order
/// of the rows.
void packPanels(float* panels, float* sums, const float* rows, int64_t k, int64_t n, int64_t j, int64_t end);

/// Rows (k,n), `stride` apart, into panels.
void packRows(float* panels, const float* rows, int64_t stride, int64_t k, int64_t n);

/// Rows (k,m) into strips of the transposed matrix (m,k): those of its rows `i` (a multiple of kStripRows) to `end`.
void packStrips(float* strips, const float* rows, int64_t k, int64_t m, int64_t i, int64_t end);

}  // namespace dinomaly
