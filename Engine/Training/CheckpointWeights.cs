using System.Runtime.InteropServices;
using Offload.Engine.Models;
using Offload.Storage;
using Offload.Storage.Checkpoints;
using Offload.Storage.Numerics;
using Offload.Storage.Safetensors;

namespace Offload.Engine.Training;

/// <summary>A checkpoint's master weights, verified, then read from its file as they are asked for: export without the model in memory.</summary>
internal sealed class CheckpointWeights : IMasterWeights, IDisposable
{
    private static readonly string[] Roles = ["high", "low"];

    private readonly SafetensorsFile _file;

    /// <param name="folder">The checkpoint.</param>
    /// <param name="commit">Its commit.</param>
    /// <param name="layout">The model.</param>
    /// <exception cref="StoreMismatchException">The checkpoint is of another model, or damaged.</exception>
    public CheckpointWeights(CheckpointFolder folder, CheckpointCommit commit, ModelLayout layout)
    {
        Layout = layout;
        // Before anything is written from it: what is exported from a damaged file would look like a model.
        _file = folder.OpenVerified(commit, layout.Units.SelectMany(unit => Roles.Select(role => PartName(unit.Index, role))));
        foreach (UnitLayout unit in layout.Units)
        {
            foreach (string role in Roles)
            {
                string name = PartName(unit.Index, role);
                if (!_file.Header.Tensors.TryGetValue(name, out TensorInfo? tensor) || tensor.ElementCount != unit.Count)
                {
                    _file.Dispose();
                    throw new StoreMismatchException(_file.Path, $"expected an array '{name}' of {unit.Count} elements", "the checkpoint belongs to another model");
                }
            }
        }
    }

    /// <inheritdoc/>
    public ModelLayout Layout { get; }

    /// <summary>Name of a unit's array.</summary>
    public static string PartName(int unitIndex, string role) => $"{unitIndex}.{role}";

    /// <summary>Element type of a unit's array.</summary>
    public static ElementType PartType(string role) => role switch
    {
        "high" => ElementType.BF16,
        "low" => ElementType.I16,
        _ => ElementType.F32,
    };

    /// <inheritdoc/>
    public void ReadMasters(IReadOnlyList<MasterRange> ranges, MasterChunk chunk, CancellationToken cancellation = default)
    {
        for (int i = 0; i < ranges.Count; i++)
        {
            for (long start = 0; start < ranges[i].Count; start += 1 << 18)
            {
                cancellation.ThrowIfCancellationRequested();
                var masters = new float[(int)Math.Min(1 << 18, ranges[i].Count - start)];
                ReadMasters(ranges[i].UnitIndex, ranges[i].Offset + start, masters);
                chunk(i, start, masters);
            }
        }
    }

    private void ReadMasters(int unitIndex, long offset, Span<float> destination)
    {
        var high = new ushort[destination.Length];
        var low = new short[destination.Length];
        Read(unitIndex, "high", offset, MemoryMarshal.AsBytes(high.AsSpan()));
        Read(unitIndex, "low", offset, MemoryMarshal.AsBytes(low.AsSpan()));
        SplitMaster.Join(high, low, destination);
    }

    public void Dispose() => _file.Dispose();

    private void Read(int unitIndex, string role, long offset, Span<byte> destination) =>
        _file.Read(_file.Header.Tensors[PartName(unitIndex, role)], offset * sizeof(ushort), destination);
}
