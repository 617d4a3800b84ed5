"""Operators that are known to sum up no products of two tensors: what they make may be waved through.

Pooling, normalization, interpolation and functions element by element are no layers of a machine for
convolutions, so they count as none. Whatever is not listed here is a layer, or refused by name.
"""

_ATEN = """
view _unsafe_view reshape _reshape_alias flatten unflatten unsqueeze squeeze alias detach clone contiguous
lift_fresh dropout native_dropout feature_dropout alias_copy view_copy unsqueeze_copy squeeze_copy
identity _to_copy to permute transpose t expand as_strided movedim slice select narrow split
split_with_sizes unbind unfold im2col col2im pixel_shuffle pixel_unshuffle channel_shuffle
native_channel_shuffle diagonal tril triu cat stack concat repeat repeat_interleave tile roll flip rot90
relu relu6 hardtanh clamp clamp_min clamp_max clip threshold leaky_relu _prelu_kernel prelu rrelu elu
celu selu gelu silu mish hardswish hardsigmoid sigmoid tanh softplus softshrink hardshrink
log_sigmoid_forward glu logit softmax _softmax _log_softmax log_softmax _safe_softmax logsumexp mul add
sub div rsub floor_divide remainder fmod lerp addcmul addcdiv maximum minimum fmax fmin where exp exp2
expm1 log log2 log10 log1p sqrt rsqrt pow square abs neg sign sgn reciprocal nan_to_num sin cos tan asin
acos atan atan2 sinh cosh asinh acosh atanh erf erfc erfinv special_erf floor ceil round trunc frac eq ne
lt le gt ge equal logical_and logical_or logical_not logical_xor isnan isinf isfinite bitwise_and
bitwise_or bitwise_not bitwise_xor any all batch_norm native_batch_norm
_native_batch_norm_legit_no_training cudnn_batch_norm _batch_norm_with_update _batch_norm_no_update
native_layer_norm layer_norm native_group_norm group_norm instance_norm _fused_rms_norm
local_response_norm norm linalg_vector_norm max_pool1d max_pool2d max_pool2d_with_indices
max_pool3d_with_indices adaptive_max_pool1d adaptive_max_pool2d adaptive_max_pool3d fractional_max_pool2d
max_unpool2d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
_adaptive_avg_pool2d _adaptive_avg_pool3d upsample_nearest1d upsample_nearest2d upsample_nearest3d
_upsample_nearest_exact1d _upsample_nearest_exact2d upsample_linear1d upsample_bilinear2d
upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa _upsample_bicubic2d_aa grid_sampler_2d
grid_sampler_3d constant_pad_nd reflection_pad1d reflection_pad2d replication_pad1d replication_pad2d
replication_pad3d mean sum var std var_mean std_mean prod cumsum cumprod max min amax amin aminmax argmax
argmin topk sort argsort masked_fill masked_select masked_scatter nonzero index index_select index_put
gather scatter scatter_add scatter_reduce take take_along_dim embedding copy fill zero slice_scatter
select_scatter searchsorted bucketize unique2 _unique2 unique_consecutive histc bincount zeros_like
ones_like empty_like full_like rand_like randn_like new_zeros new_ones new_full new_empty
new_empty_strided arange size numel sym_size item is_nonzero _local_scalar_dense _has_same_storage_numel
result_type _assert_async _assert_tensor_metadata resolve_conj resolve_neg view_as_real view_as_complex
real imag set resize fake_quantize_per_tensor_affine fake_quantize_per_tensor_affine_cachemask
quantize_per_tensor dequantize torchvision::nms torchvision::roi_align torchvision::roi_pool
torchvision::ps_roi_align
"""
ATEN = frozenset(_ATEN.split())

_ONNX = """
Reshape Flatten Squeeze Unsqueeze Identity Dropout Cast CastLike BitCast Transpose Slice Split Gather
Expand DepthToSpace SpaceToDepth GatherElements GatherND Scatter ScatterElements ScatterND TensorScatter
Compress Tile Concat Pad CenterCropPad ReverseSequence Trilu Col2Im Unique TopK Where OneHot EyeLike
NonZero Range Constant ConstantOfShape Shape Size RandomNormal RandomNormalLike RandomUniform
RandomUniformLike Bernoulli Multinomial Abs Neg Sign Ceil Floor Round Exp Log Sqrt Reciprocal Pow Mod Erf
Sin Cos Tan Asin Acos Atan Sinh Cosh Tanh Asinh Acosh Atanh Add Sub Mul Div Sum Mean Max Min And Or Xor
Not BitShift BitwiseAnd BitwiseOr BitwiseXor BitwiseNot Equal Greater GreaterOrEqual Less LessOrEqual
IsInf IsNaN CumSum CumProd Relu Clip LeakyRelu PRelu Elu Celu Selu Gelu Mish Swish HardSwish HardSigmoid
Sigmoid Softplus Softsign Shrink ThresholdedRelu ParametricSoftplus ScaledTanh Affine Scale SwiGLU
Softmax LogSoftmax Hardmax RotaryEmbedding BatchNormalization InstanceNormalization GroupNormalization
LayerNormalization RMSNormalization SimplifiedLayerNormalization MeanVarianceNormalization
LpNormalization LRN MaxPool AveragePool LpPool GlobalMaxPool GlobalAveragePool GlobalLpPool MaxRoiPool
RoiAlign MaxUnpool Resize Upsample GridSample NonMaxSuppression ReduceMax ReduceMin ReduceMean ReduceSum
ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare ArgMax ArgMin QuantizeLinear
DequantizeLinear DynamicQuantizeLinear If Loop Scan SequenceMap SequenceAt SequenceConstruct
SequenceEmpty SequenceErase SequenceInsert SequenceLength ConcatFromSequence SplitToSequence Optional
OptionalGetElement OptionalHasElement BlackmanWindow HammingWindow HannWindow ImageDecoder RegexFullMatch
StringConcat StringNormalizer StringSplit TfIdfVectorizer NegativeLogLikelihoodLoss
SoftmaxCrossEntropyLoss ai.onnx.ml.ArrayFeatureExtractor ai.onnx.ml.Binarizer ai.onnx.ml.CastMap
ai.onnx.ml.CategoryMapper ai.onnx.ml.DictVectorizer ai.onnx.ml.FeatureVectorizer ai.onnx.ml.Imputer
ai.onnx.ml.LabelEncoder ai.onnx.ml.Normalizer ai.onnx.ml.OneHotEncoder ai.onnx.ml.Scaler
ai.onnx.ml.ZipMap com.microsoft.Gelu com.microsoft.FastGelu com.microsoft.QuickGelu
com.microsoft.BiasSoftmax com.microsoft.GroupNorm com.microsoft.SimplifiedLayerNormalization
com.microsoft.CropAndResize com.microsoft.GridSample com.microsoft.NhwcMaxPool com.microsoft.Pad
com.microsoft.Trilu com.microsoft.Unique com.microsoft.ExpandDims com.microsoft.Range
com.microsoft.QuantizeLinear com.microsoft.DequantizeLinear com.microsoft.BitmaskDropout
"""
ONNX = frozenset(_ONNX.split())
