using System.Runtime.InteropServices;
using Offload.Engine.Models;
using Offload.Storage;
using Offload.Storage.Files;
using Offload.Storage.Numerics;
using Offload.Storage.Safetensors;

namespace Offload.Engine.Hub;

/// <summary>Writes master weights as a Hub folder that Hugging Face loads, tensor by tensor in bounded memory; whole or not at all.</summary>
internal static class ModelExport
{
    /// <summary>Tells a later export that it may replace the folder; Hugging Face ignores it.</summary>
    public const string MarkFile = "offload_export.json";

    private const int ChunkElements = 1 << 20;

    /// <summary>Writes the folder.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="companions">config.json and the tokenizer's files.</param>
    /// <param name="folderPath">Where to; an earlier export is replaced.</param>
    /// <param name="type">fp32: the masters; bf16: rounded to nearest even.</param>
    /// <exception cref="StorageException">The folder holds something that is no earlier export; the disk is full or another I/O error; nothing is left behind.</exception>
    public static void Write(IMasterWeights weights, HubCompanions companions, string folderPath, ComputeType type)
    {
        RequireReplaceable(folderPath);
        ElementType elementType = type == ComputeType.Float32 ? ElementType.F32 : ElementType.BF16;
        ParameterPlace[] places =
        [
            .. weights.Layout.Units.SelectMany(unit => unit.Parameters.Select(parameter => new ParameterPlace(
                unit.Index, parameter, new TensorSpec(parameter.Name, elementType, [.. parameter.Shape])))),
        ];
        using var folder = new AtomicFolder(folderPath, HubCompanions.IsModelFile);
        using (var writer = new ShardedSafetensorsWriter(folder, [.. places.Select(place => place.Spec)]))
        {
            foreach (ParameterPlace place in places)
            {
                writer.BeginTensor(place.Spec.Name);
                WriteTensor(writer, weights, place, elementType);
                writer.EndTensor();
            }

            writer.Complete();
        }

        companions.WriteTo(folder.StagingPath, elementType == ElementType.F32 ? "float32" : "bfloat16");
        AtomicFile.Write(Path.Combine(folder.StagingPath, MarkFile), "{\"version\":1}\n"u8);
        folder.Commit();
    }

    /// <summary>Refuses a folder that an export may not replace. The files' names alone cannot tell an export from the model that it was trained from.</summary>
    /// <exception cref="StorageException">The folder holds something that is no earlier export.</exception>
    public static void RequireReplaceable(string folderPath)
    {
        if (Directory.Exists(folderPath) && Directory.EnumerateFileSystemEntries(folderPath).Any() && !File.Exists(Path.Combine(folderPath, MarkFile)))
        {
            throw new StorageException(folderPath, "replace the folder", "it holds something that this program did not export", "give a new or empty folder");
        }
    }

    private static void WriteTensor(ShardedSafetensorsWriter writer, IMasterWeights weights, ParameterPlace place, ElementType type)
    {
        var masters = new float[(int)Math.Min(ChunkElements, Math.Max(1, place.Parameter.Count))];
        var rounded = new ushort[type == ElementType.BF16 ? masters.Length : 0];
        for (long start = 0; start < place.Parameter.Count; start += ChunkElements)
        {
            Span<float> chunk = masters.AsSpan(0, (int)Math.Min(ChunkElements, place.Parameter.Count - start));
            weights.ReadMasters(place.UnitIndex, place.Parameter.Offset + start, chunk);
            if (type == ElementType.F32)
            {
                writer.Write(MemoryMarshal.AsBytes(chunk));
            }
            else
            {
                BFloat16Convert.FromSingle(chunk, rounded.AsSpan(0, chunk.Length));
                writer.Write(MemoryMarshal.AsBytes(rounded.AsSpan(0, chunk.Length)));
            }
        }
    }

    private sealed record ParameterPlace(int UnitIndex, ParameterInfo Parameter, TensorSpec Spec);
}
