// What each op demands of its operands, for all back ends: types, shapes, devices, overlaps.
// LogicError that names the operand, what it is and what it must be.
#pragma once

#include "kernels/check.hpp"
#include "kernels/ops.hpp"

namespace epi::kernels {

/// InputError for a window outside of its segment: users choose regions. Samples of other devices
/// can't be looked at from here.
void check(const AssembleArgs& a, Check c);
void check(const EmbedArgs& a, Check c);
void check(const EmbedGradArgs& a, Check c);
/// `ops` says of which type weights are and how wide rows may be.
void check(const LinearArgs& a, Check c, const Ops& ops);
void check(const LinearGradInputArgs& a, Check c, const Ops& ops);
void check(const LinearGradWeightArgs& a, Check c, const Ops& ops);
void check(const AttendArgs& a, Check c);
void check(const AttendGradArgs& a, Check c);
void check(const AddNormArgs& a, Check c);
void check(const AddNormGradArgs& a, Check c);
void check(const GatherRowsArgs& a, Check c);
void check(const ScatterRowsArgs& a, Check c);
void check(const ActivateArgs& a, Check c);
void check(const ActivateGradArgs& a, Check c);
void check(const ClassLossArgs& a, Check c, const Ops& ops);
void check(const ValueLossArgs& a, Check c);
void check(const CombineArgs& a, Check c);
void check(const ConvertArgs& a, Check c);
void check(const SumSquaresArgs& a, Check c);
void check(const BeginStepArgs& a, Check c);
void check(const UpdateArgs& a, Check c);

}  // namespace epi::kernels
