"""The operations that an exported program may call: those of networks that predict, and keep to their tensors' memory.

A program's arguments may be forged. Most operations of torch check them; those that were written for torch's own use,
for training, sparse, nested or packed tensors, or for single devices, often do not, and read or write memory beyond
their tensors: so only known ones run. A few that networks need check too little; `exported_guards` checks them first.
"""

import importlib
from contextlib import suppress

import torch

# Of networks, by their names in torch; with an underscore at the end (in place) and with _copy (of views) as well.
# Elementwise operations and torch's core set are known by their tags.
_NETWORKS = """
    adaptive_avg_pool1d adaptive_avg_pool2d adaptive_avg_pool3d adaptive_max_pool1d adaptive_max_pool2d
    adaptive_max_pool3d avg_pool1d avg_pool2d avg_pool3d max_pool1d max_pool1d_with_indices max_pool2d
    max_pool2d_with_indices max_pool3d max_pool3d_with_indices max_unpool2d max_unpool3d
    batch_norm group_norm instance_norm layer_norm native_batch_norm native_group_norm native_layer_norm rms_norm
    _fused_rms_norm _batch_norm_no_update _native_batch_norm_legit _native_batch_norm_legit_no_training
    _weight_norm _weight_norm_interface norm_except_dim
    conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d convolution _convolution _convolution_mode
    bilinear linear lstm gru rnn_relu rnn_tanh
    alpha_dropout dropout feature_alpha_dropout feature_dropout
    scaled_dot_product_attention _scaled_dot_product_attention_math _scaled_dot_product_cudnn_attention
    _scaled_dot_product_efficient_attention _scaled_dot_product_flash_attention
    _scaled_dot_product_flash_attention_for_cpu _scaled_dot_product_fused_attention_overrideable
    _safe_softmax log_softmax softmax glu log_sigmoid log_sigmoid_forward hardswish prelu _prelu_kernel threshold
    channel_shuffle native_channel_shuffle pixel_shuffle pixel_unshuffle im2col col2im unfold
    affine_grid_generator grid_sampler grid_sampler_2d grid_sampler_3d
    upsample_bicubic2d upsample_bilinear2d upsample_linear1d upsample_nearest1d upsample_nearest2d upsample_nearest3d
    upsample_trilinear3d _upsample_bicubic2d_aa _upsample_bilinear2d_aa _upsample_lanczos2d_aa
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    pad _pad_circular _pad_enum constant_pad_nd reflection_pad1d reflection_pad2d reflection_pad3d replication_pad1d
    replication_pad2d replication_pad3d
"""
_ALGEBRA = """
    addbmm addmm addmv addr baddbmm bmm chain_matmul cross dot einsum ger inner kron matmul mm mv outer tensordot trace
    _trilinear vdot cdist _cdist_forward _euclidean_dist cosine_similarity dist pairwise_distance pdist _pdist_forward
    matrix_exp matrix_power linalg_cholesky linalg_cholesky_ex linalg_cross linalg_det linalg_diagonal linalg_eigh
    linalg_eigvalsh linalg_inv linalg_inv_ex linalg_matmul linalg_matrix_exp linalg_matrix_norm linalg_matrix_power
    linalg_multi_dot linalg_norm linalg_pinv linalg_qr linalg_slogdet linalg_solve linalg_solve_ex
    linalg_solve_triangular linalg_svd linalg_svdvals linalg_vecdot linalg_vector_norm logdet slogdet
    _linalg_check_errors _linalg_det _linalg_eigh _linalg_slogdet _linalg_solve_ex _linalg_svd inverse pinverse
    fft_fft fft_fft2 fft_fftfreq fft_fftn fft_fftshift fft_hfft fft_hfft2 fft_hfftn fft_ifft fft_ifft2 fft_ifftn
    fft_ifftshift fft_ihfft fft_irfft fft_irfft2 fft_irfftn fft_rfft fft_rfft2 fft_rfftfreq fft_rfftn
    _fft_c2c _fft_c2r _fft_r2c complex conj _conj conj_physical imag real polar resolve_conj resolve_neg _neg_view
    view_as_complex view_as_real hann_window hamming_window
    all any argmax argmin amax amin aminmax count_nonzero cummax cummin cumprod cumsum diff frobenius_norm logcumsumexp
    logsumexp max mean median min nanmean nansum norm native_norm numel prod renorm std std_mean sum sum_to_size var
    var_mean
"""
_SHAPES = """
    absolute add_relu adjoint alias arange arccos arccosh arcsin arcsinh arctan arctan2 arctanh argsort argwhere
    as_strided as_strided_scatter atleast_1d atleast_2d atleast_3d block_diag broadcast_tensors broadcast_to bucketize
    cartesian_prod cat chunk clone column_stack combinations concat concatenate contiguous copy detach diag diag_embed
    diagflat diagonal diagonal_scatter divide dsplit dstack embedding empty empty_like empty_permuted eye expand
    expand_as fill fill_diagonal fix flatten flip fliplr flipud floor_divide full full_like gather greater
    greater_equal hsplit hstack index index_add index_copy index_fill index_put index_reduce index_select isclose isin
    isreal item kthvalue less less_equal lift lift_fresh linspace logspace mH mT matrix_H masked_fill masked_scatter
    masked_select meshgrid mode moveaxis movedim msort multiply narrow negative new_empty new_full new_ones new_zeros
    nonzero nonzero_numpy nonzero_static not_equal numpy_T one_hot ones ones_like permute put range ravel
    repeat_interleave reshape reshape_as roll rot90 row_stack scalar_tensor scatter scatter_add scatter_reduce
    searchsorted select select_scatter size slice slice_scatter sort split split_with_sizes squeeze stack stride
    subtract swapaxes swapdims t take take_along_dim tensor_split tile to topk transpose tril tril_indices triu
    triu_indices type_as unbind unflatten unique_consecutive unique_dim _unique2 unsafe_chunk unsafe_split
    unsafe_split_with_sizes unsqueeze view view_as vsplit vstack where zero zeros zeros_like
    _reshape_copy _shape_as_tensor _to_copy _to_cpu _unsafe_index _unsafe_index_put
    _unsafe_view _autocast_to_full_precision _autocast_to_reduced_precision
    _cast_Byte _cast_Char _cast_Double _cast_Float _cast_Half _cast_Int _cast_Long _cast_Short
    is_complex is_contiguous is_floating_point is_nonzero is_same_size result_type
    _assert_async _assert_scalar _assert_tensor_metadata _functional_assert_async _functional_assert_scalar
    sym_constrain_range sym_constrain_range_for_size _functional_sym_constrain_range
    _functional_sym_constrain_range_for_size sym_is_contiguous sym_numel sym_size sym_storage_offset sym_stride
"""
# Of chance: known, so that a network in training mode is refused as such.
_CHANCE = """
    bernoulli multinomial normal rand rand_like randint randint_like randn randn_like random randperm rrelu
    rrelu_with_noise uniform
"""
_ATEN = frozenset(f"{_NETWORKS} {_ALGEBRA} {_SHAPES} {_CHANCE}".split())
_OTHERS = {
    "prims": frozenset(
        ("broadcast_in_dim", "convert_element_type", "device_put", "iota", "squeeze", "transpose", "view_of", "where")
    ),
    "torchvision": frozenset(("deform_conv2d",)),
    "quantized_decomposed": frozenset(
        (
            *("choose_qparams", "choose_qparams_per_token", "choose_qparams_per_token_asymmetric"),
            *("choose_qparams_symmetric", "convert_element_type"),
            *(f"{way}_{kind}" for way in ("quantize", "dequantize") for kind in ("per_tensor", "per_channel")),
            *(f"{way}_{kind}" for way in ("quantize", "dequantize") for kind in ("per_channel_group", "per_token")),
        )
    ),
}
# What torch's core set has and no network that predicts.
_NOT_OF_NETWORKS = frozenset(("_embedding_bag", "resize"))
# What defines operations that are not torch's own: torch.export.load needs them, too.
_DEFINED_IN = {"quantized_decomposed": "torch.ao.quantization.fx._decomposed", "torchvision": "torchvision"}


def operation(namespace: str, name: str, overload: str) -> torch._ops.OpOverload | None:
    """The operation of that name; None where there is none, or none that is known to be safe.

    >>> operation("aten", "relu_", "default")
    <OpOverload(op='aten.relu_', overload='default')>
    >>> operation("aten", "from_file", "default")
    """
    if namespace in _DEFINED_IN:
        with suppress(ImportError):
            importlib.import_module(_DEFINED_IN[namespace])
    elif namespace not in ("aten", "prims"):
        return None
    packet = getattr(getattr(torch.ops, namespace), name, None)
    found = getattr(packet, overload, None) if isinstance(packet, torch._ops.OpOverloadPacket) else None
    if not isinstance(found, torch._ops.OpOverload) or any(one.is_out for one in found._schema.arguments):
        return None
    known = _is_of_networks(found, name) if namespace == "aten" else name in _OTHERS[namespace]
    return found if known else None


def _is_of_networks(found: torch._ops.OpOverload, name: str) -> bool:
    plain = name.removesuffix("_").removesuffix("_copy")
    if plain in _NOT_OF_NETWORKS or plain.endswith("_backward"):
        return False
    return {plain, name} & _ATEN != set() or any(tag in found.tags for tag in (torch.Tag.core, torch.Tag.pointwise))
