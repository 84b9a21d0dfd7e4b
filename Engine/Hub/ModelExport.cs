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

    /// <summary>Writes the folder.</summary>
    /// <param name="weights">The model.</param>
    /// <param name="companions">config.json and the tokenizer's files.</param>
    /// <param name="folderPath">Where to; an earlier export is replaced.</param>
    /// <param name="type">fp32: the masters; bf16: rounded to nearest even.</param>
    /// <param name="cancellation">Stops it; nothing is left behind.</param>
    /// <exception cref="StorageException">The folder holds something that is no earlier export; the disk is full or another I/O error; nothing is left behind.</exception>
    public static void Write(IMasterWeights weights, HubCompanions companions, string folderPath, ComputeType type, CancellationToken cancellation = default)
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
            WriteTensors(writer, weights, places, elementType, cancellation);
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

    private static void WriteTensors(
        ShardedSafetensorsWriter writer, IMasterWeights weights, ParameterPlace[] places, ElementType type, CancellationToken cancellation)
    {
        int begun = 0;
        ushort[] rounded = [];
        MasterRange[] ranges = [.. places.Select(place => new MasterRange(place.UnitIndex, place.Parameter.Offset, place.Parameter.Count))];
        weights.ReadMasters(
            ranges,
            (range, offset, masters) =>
            {
                // Also those without elements, of which no piece comes.
                while (begun <= range)
                {
                    Begin();
                }

                if (type == ElementType.F32)
                {
                    writer.Write(MemoryMarshal.AsBytes(masters));
                    return;
                }

                if (rounded.Length < masters.Length)
                {
                    rounded = new ushort[masters.Length];
                }

                BFloat16Convert.FromSingle(masters, rounded.AsSpan(0, masters.Length));
                writer.Write(MemoryMarshal.AsBytes(rounded.AsSpan(0, masters.Length)));
            },
            cancellation);
        while (begun < places.Length)
        {
            Begin();
        }

        if (begun > 0)
        {
            writer.EndTensor();
        }

        void Begin()
        {
            if (begun > 0)
            {
                writer.EndTensor();
            }

            writer.BeginTensor(places[begun++].Spec.Name);
        }
    }

    private sealed record ParameterPlace(int UnitIndex, ParameterInfo Parameter, TensorSpec Spec);
}
