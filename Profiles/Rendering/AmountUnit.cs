using Offload.Profiles.Tracing;

namespace Offload.Profiles.Rendering;

/// <summary>What <see cref="TraceOperation.Amount"/> counts: bytes where something is moved, parameters where something is updated.</summary>
internal static class AmountUnit
{
    private static readonly string[] Moves = ["Load", "Save", "Read", "Write"];

    /// <summary>Whether it counts bytes.</summary>
    public static bool IsBytes(string kind) => Moves.Any(move => kind.StartsWith(move, StringComparison.Ordinal));
}
