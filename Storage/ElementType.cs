namespace Offload.Storage;

/// <summary>Element types of tensors on disk, little-endian; named as safetensors names them.</summary>
public enum ElementType
{
    /// <summary>One byte, 0 or 1.</summary>
    Bool,

    /// <summary>Unsigned 8 bits.</summary>
    U8,

    /// <summary>Signed 8 bits.</summary>
    I8,

    /// <summary>Unsigned 16 bits.</summary>
    U16,

    /// <summary>Signed 16 bits.</summary>
    I16,

    /// <summary>Unsigned 32 bits.</summary>
    U32,

    /// <summary>Signed 32 bits.</summary>
    I32,

    /// <summary>Unsigned 64 bits.</summary>
    U64,

    /// <summary>Signed 64 bits.</summary>
    I64,

    /// <summary>IEEE binary16.</summary>
    F16,

    /// <summary>bfloat16: the upper half of an IEEE binary32.</summary>
    BF16,

    /// <summary>IEEE binary32.</summary>
    F32,

    /// <summary>IEEE binary64.</summary>
    F64,
}
