using System.Runtime.InteropServices;
using Offload.Engine.Models;
using Offload.Storage;
using Offload.Storage.Files;
using Offload.Storage.Safetensors;

namespace Offload.Acceptance.Import;

/// <summary>Weights of any size that a function of name and place gives.</summary>
internal static class SyntheticCheckpoint
{
    private const int ChunkBytes = 4 << 20;

    /// <summary>Adds weights to a folder that has a config.json.</summary>
    public static void Write(string folder, ModelLayout layout)
    {
        TensorSpec[] specs =
        [
            .. layout.Units.SelectMany(unit => unit.Parameters).Select(parameter => new TensorSpec(parameter.Name, ElementType.BF16, [.. parameter.Shape])),
        ];
        string staging = folder + "-weights";
        using (var target = new AtomicFolder(staging))
        {
            using (var writer = new ShardedSafetensorsWriter(target, specs))
            {
                var random = new Random(1);
                ushort[] chunk = new ushort[ChunkBytes / sizeof(ushort)];
                foreach (TensorSpec spec in specs)
                {
                    writer.BeginTensor(spec.Name);
                    for (long left = spec.SizeBytes; left > 0; left -= ChunkBytes)
                    {
                        Span<ushort> some = chunk.AsSpan(0, (int)Math.Min(ChunkBytes, left) / sizeof(ushort));
                        Fill(some, random);
                        writer.Write(MemoryMarshal.AsBytes(some));
                    }

                    writer.EndTensor();
                }

                writer.Complete();
            }

            target.Commit();
        }

        foreach (string file in Directory.EnumerateFiles(staging))
        {
            File.Move(file, Path.Combine(folder, Path.GetFileName(file)));
        }

        Directory.Delete(staging);
    }

    /// <summary>The first tensor that two folders do not have in common; null if there is none.</summary>
    public static string? Difference(string expectedFolder, string folder)
    {
        using SafetensorsCheckpoint expected = SafetensorsCheckpoint.Open(expectedFolder);
        using SafetensorsCheckpoint found = SafetensorsCheckpoint.Open(folder);
        if (!expected.Tensors.Keys.Order(StringComparer.Ordinal).SequenceEqual(found.Tensors.Keys.Order(StringComparer.Ordinal)))
        {
            return "the exported model has other tensors";
        }

        byte[] first = new byte[ChunkBytes];
        byte[] second = new byte[ChunkBytes];
        foreach (TensorInfo tensor in expected.Tensors.Values)
        {
            if (found.Tensors[tensor.Name].Spec != tensor.Spec && found.Tensors[tensor.Name].SizeBytes != tensor.SizeBytes)
            {
                return $"{tensor.Name}: another type or shape";
            }

            for (long offset = 0; offset < tensor.SizeBytes; offset += ChunkBytes)
            {
                int length = (int)Math.Min(ChunkBytes, tensor.SizeBytes - offset);
                expected.Read(tensor.Name, offset, first.AsSpan(0, length));
                found.Read(tensor.Name, offset, second.AsSpan(0, length));
                if (!first.AsSpan(0, length).SequenceEqual(second.AsSpan(0, length)))
                {
                    return $"{tensor.Name}: other bytes from {offset} on";
                }
            }
        }

        return null;
    }

    /// <summary>Finite values of many magnitudes and both signs.</summary>
    private static void Fill(Span<ushort> values, Random random)
    {
        random.NextBytes(MemoryMarshal.AsBytes(values));
        for (int i = 0; i < values.Length; i++)
        {
            // Exponent 96 to 127: 2^-31 to 2.
            values[i] = (ushort)((values[i] & 0x8FFF) | 0x3000);
        }
    }
}
