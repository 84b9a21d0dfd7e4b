namespace Offload.Engine.Cuda;

/// <summary>All that the choice of an algorithm depends on.</summary>
/// <param name="Shape">The product.</param>
/// <param name="HasBias">A vector is added to each row.</param>
/// <param name="HasAddend">A matrix other than the destination is added.</param>
/// <param name="Alignments">Of the addresses.</param>
internal readonly record struct GemmKey(GemmShape Shape, bool HasBias, bool HasAddend, GemmAlignments Alignments)
{
    /// <summary>In a message: "[16, 32] = [16, 64]^T [64, 32] + bias (BFloat16 into fp32)".</summary>
    public string Describe() =>
        $"[{Shape.M}, {Shape.N}] = [{Shape.M}, {Shape.K}]{Stored(Shape.TransposeLeft)} [{Shape.K}, {Shape.N}]{Stored(Shape.TransposeRight)}"
        + (HasBias ? " + bias" : "") + (HasAddend ? " + addend" : "") + (Shape.Accumulates ? " + itself" : "")
        + $" ({Shape.Type}{(Shape.IntoFloat32 ? " into fp32" : "")})";

    private static string Stored(bool isTransposed) => isTransposed ? "^T" : "";
}
