/* Status codes shared by everything below the border: one enumerator for each way a call can fail.
 * `docs/errors.md` says what each means and what to do. Plain C11, so that the edge reader shares it.
 * Numbers are fixed once released. The list is an X-macro so that names and codes cannot drift apart. */
#ifndef CORDWOOD_BASE_STATUS_H
#define CORDWOOD_BASE_STATUS_H

#define CORDWOOD_STATUS_LIST(X)                                                                    \
  X(ok, 0)                                                                                         \
  /* the file as a whole */                                                                        \
  X(file_too_short, 100)                                                                           \
  X(bad_magic, 101)                                                                                \
  X(newer_major_version, 102)                                                                      \
  X(file_length_mismatch, 103)                                                                     \
  X(header_checksum_mismatch, 104)                                                                 \
  X(bad_header, 105)                                                                               \
  X(profile_not_supported, 106)                                                                    \
  /* the section table */                                                                          \
  X(section_table_out_of_bounds, 120)                                                              \
  X(section_unknown_required, 121)                                                                 \
  X(section_duplicate, 122)                                                                        \
  X(section_missing, 123)                                                                          \
  X(section_version_not_supported, 124)                                                            \
  X(section_encoding_not_supported, 125)                                                           \
  X(section_misaligned, 126)                                                                       \
  X(section_out_of_bounds, 127)                                                                    \
  X(section_overlap, 128)                                                                          \
  X(section_hole, 129)                                                                             \
  X(section_padding_not_zero, 130)                                                                 \
  X(section_checksum_mismatch, 131)                                                                \
  X(section_size_not_whole, 132)                                                                   \
  X(section_flags_unknown, 133)                                                                    \
  /* values, tensors, strings */                                                                   \
  X(value_dtype_unknown, 150)                                                                      \
  X(value_role_unknown, 151)                                                                       \
  X(value_role_duplicate, 152)                                                                     \
  X(value_shape_invalid, 153)                                                                      \
  X(tensor_dtype_unknown, 154)                                                                     \
  X(tensor_shape_invalid, 155)                                                                     \
  X(tensor_encoding_unknown, 156)                                                                  \
  X(tensor_payload_out_of_bounds, 157)                                                             \
  X(tensor_payload_length_mismatch, 158)                                                           \
  X(tensor_payload_hole, 159)                                                                      \
  X(tensor_stream_corrupt, 160)                                                                    \
  X(string_table_invalid, 161)                                                                     \
  X(labels_invalid, 162)                                                                           \
  X(provenance_invalid, 163)                                                                       \
  X(tensor_padding_not_zero, 164)                                                                  \
  X(tensor_too_large, 165)                                                                         \
  X(value_rows_missing, 166)                                                                       \
  /* operators */                                                                                  \
  X(operator_unknown, 180)                                                                         \
  X(operator_version_not_supported, 181)                                                           \
  X(operator_operands_invalid, 182)                                                                \
  X(operator_attributes_invalid, 183)                                                              \
  X(operator_order_invalid, 184)                                                                   \
  X(operator_shape_mismatch, 185)                                                                  \
  X(decide_groups_invalid, 186)                                                                    \
  /* trees */                                                                                      \
  X(tree_structure_invalid, 200)                                                                   \
  X(tree_too_deep, 201)                                                                            \
  X(tree_column_invalid, 202)                                                                      \
  X(tree_cuts_not_ascending, 203)                                                                  \
  X(tree_rank_out_of_range, 204)                                                                   \
  X(tree_set_invalid, 205)                                                                         \
  X(tree_output_out_of_range, 206)                                                                 \
  X(tree_leaf_row_out_of_range, 207)                                                               \
  X(tree_leaf_number_invalid, 208)                                                                 \
  X(tree_value_not_finite, 209)                                                                    \
  X(tree_weight_invalid, 210)                                                                      \
  X(tree_linear_invalid, 211)                                                                      \
  X(tree_base_value_not_zero, 212)                                                                 \
  /* running */                                                                                    \
  X(out_of_memory, 300)                                                                            \
  X(thread_not_started, 301)                                                                       \
  X(isa_unknown, 302)                                                                              \
  X(isa_not_available, 303)                                                                        \
  X(device_not_available, 304)                                                                     \
  X(threads_invalid, 305)                                                                          \
  X(feature_count_mismatch, 306)                                                                   \
  X(nan_refused, 307)                                                                              \
  X(infinity_refused, 308)                                                                         \
  X(output_not_available, 309)                                                                     \
  X(dtype_not_supported, 310)                                                                      \
  X(shape_mismatch, 311)                                                                           \
  X(index_out_of_range, 312)                                                                       \
  X(device_out_of_memory, 313)                                                                     \
  X(device_failed, 314)                                                                            \
  X(device_lost, 315)

enum cordwood_status {
#define CORDWOOD_STATUS_ENUM(name, code) CORDWOOD_STATUS_##name = code,
  CORDWOOD_STATUS_LIST(CORDWOOD_STATUS_ENUM)
#undef CORDWOOD_STATUS_ENUM
};

#endif
