using Offload.Engine.Compute;

namespace Offload.Engine.Tests.Compute;

/// <summary>Seeded sequences that a small model can learn: the next id follows from the last two, but for some noise.</summary>
internal static class SyntheticText
{
    public const int VocabularySize = 48;

    public static MicroBatch Batch(Random random, int sequences, int tokens)
    {
        var shape = new BatchShape(sequences, tokens);
        var ids = new int[shape.Rows];
        var targets = new int[shape.Rows];
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            int last = random.Next(VocabularySize);
            int current = random.Next(VocabularySize);
            for (int i = 0; i < tokens; i++)
            {
                int next = random.Next(20) == 0 ? random.Next(VocabularySize) : ((5 * current) + (last % 3) + 1) % VocabularySize;
                ids[(sequence * tokens) + i] = current;
                targets[(sequence * tokens) + i] = next;
                (last, current) = (current, next);
            }
        }

        return new MicroBatch(shape, ids, targets);
    }
}
