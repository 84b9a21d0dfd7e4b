namespace Offload.Engine.Generation;

/// <summary>Chooses the next token from logits: greedy at temperature 0, else top-p (nucleus) sampling (Holtzman et al. 2020, section 3.1).</summary>
/// <param name="temperature">Logits are divided by it; 0: the most likely token.</param>
/// <param name="topP">Tokens are taken from the smallest set whose probability reaches it; 1: all.</param>
/// <param name="seed">Seed of the choices.</param>
internal sealed class TokenSampler(double temperature, double topP, long seed)
{
    private readonly Random _random = new((int)(seed ^ (seed >> 32)));

    /// <summary>The next token's id.</summary>
    /// <param name="logits">One for each id.</param>
    public int Next(ReadOnlySpan<float> logits)
    {
        if (temperature == 0)
        {
            return MostLikely(logits);
        }

        float max = logits[MostLikely(logits)];
        var probabilities = new double[logits.Length];
        var ids = new int[logits.Length];
        double sum = 0;
        for (int id = 0; id < logits.Length; id++)
        {
            ids[id] = id;
            probabilities[id] = Math.Exp((logits[id] - max) / temperature);
            sum += probabilities[id];
        }

        // Descending probability; ids in ascending order where equal, so that a seed always gives the same text.
        Array.Sort(ids, (a, b) => probabilities[a] != probabilities[b] ? probabilities[b].CompareTo(probabilities[a]) : a.CompareTo(b));
        double nucleus = 0;
        int count = 0;
        while (count < ids.Length && (count == 0 || nucleus < topP * sum))
        {
            nucleus += probabilities[ids[count++]];
        }

        double draw = _random.NextDouble() * nucleus;
        for (int i = 0; i < count; i++)
        {
            draw -= probabilities[ids[i]];
            if (draw < 0)
            {
                return ids[i];
            }
        }

        return ids[count - 1];
    }

    private static int MostLikely(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int id = 1; id < logits.Length; id++)
        {
            if (logits[id] > logits[best])
            {
                best = id;
            }
        }

        return best;
    }
}
