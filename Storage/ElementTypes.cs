using System.Diagnostics.CodeAnalysis;

namespace Offload.Storage;

/// <summary>Names and sizes of <see cref="ElementType"/>. Stateless; any thread.</summary>
public static class ElementTypes
{
    /// <summary>Types of newer safetensors versions that are recognised, so that the refusal can name them, but not read.</summary>
    private static readonly string[] UnsupportedNames =
        ["F4", "F6_E2M3", "F6_E3M2", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E5M2FNUZ", "F8_E4M3FNUZ", "C64"];

    /// <summary>Bytes of one element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not a defined value.</exception>
    public static int SizeBytes(this ElementType type) => type switch
    {
        ElementType.Bool or ElementType.U8 or ElementType.I8 => 1,
        ElementType.U16 or ElementType.I16 or ElementType.F16 or ElementType.BF16 => 2,
        ElementType.U32 or ElementType.I32 or ElementType.F32 => 4,
        ElementType.U64 or ElementType.I64 or ElementType.F64 => 8,
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not an element type"),
    };

    /// <summary>Whether the type is F16, BF16, F32 or F64.</summary>
    public static bool IsFloatingPoint(this ElementType type) =>
        type is ElementType.F16 or ElementType.BF16 or ElementType.F32 or ElementType.F64;

    /// <summary>The name in a safetensors header: <c>BF16</c>, <c>BOOL</c>.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Not a defined value.</exception>
    public static string Format(this ElementType type) => type switch
    {
        ElementType.Bool => "BOOL",
        ElementType.U8 => "U8",
        ElementType.I8 => "I8",
        ElementType.U16 => "U16",
        ElementType.I16 => "I16",
        ElementType.U32 => "U32",
        ElementType.I32 => "I32",
        ElementType.U64 => "U64",
        ElementType.I64 => "I64",
        ElementType.F16 => "F16",
        ElementType.BF16 => "BF16",
        ElementType.F32 => "F32",
        ElementType.F64 => "F64",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not an element type"),
    };

    /// <summary>Parses a name as safetensors spells it; the case counts.</summary>
    /// <returns>False if the name is not one of a supported type.</returns>
    public static bool TryParse([NotNullWhen(true)] string? name, out ElementType type)
    {
        foreach (ElementType candidate in Enum.GetValues<ElementType>())
        {
            if (candidate.Format() == name)
            {
                type = candidate;
                return true;
            }
        }

        type = default;
        return false;
    }

    /// <summary>Whether safetensors defines the name but Offload does not read it.</summary>
    internal static bool IsKnownButUnsupported(string name) => UnsupportedNames.Contains(name);
}
