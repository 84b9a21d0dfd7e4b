namespace Offload.Profiles;

/// <summary>Tokens per second over the last steps, and what is left. Time comes from a <see cref="TimeProvider"/>. Not thread-safe.</summary>
/// <param name="time">The clock.</param>
/// <param name="windowSteps">Steps to average over: enough to smooth, few enough to follow a change.</param>
public sealed class ThroughputMeter(TimeProvider time, int windowSteps = 20)
{
    private readonly Queue<(long Timestamp, long Tokens)> _window = new();
    private long _windowTokens;
    private long _start;
    private long _totalTokens;

    /// <summary>Starts the clock; the time before does not count.</summary>
    public void Start()
    {
        _window.Clear();
        _windowTokens = 0;
        _totalTokens = 0;
        _start = time.GetTimestamp();
        _window.Enqueue((_start, 0));
    }

    /// <summary>Takes time out of the measurement that was not spent on steps: an evaluation, a checkpoint.</summary>
    /// <param name="pause">How long it took.</param>
    public void Exclude(TimeSpan pause)
    {
        long ticks = (long)(pause.TotalSeconds * time.TimestampFrequency);
        (long Timestamp, long Tokens)[] entries = [.. _window];
        _window.Clear();
        foreach ((long timestamp, long tokens) in entries)
        {
            _window.Enqueue((timestamp + ticks, tokens));
        }

        _start += ticks;
    }

    /// <summary>A step has ended.</summary>
    /// <param name="tokens">Tokens that it processed.</param>
    /// <returns>Tokens per second over the window.</returns>
    public double EndStep(long tokens)
    {
        long now = time.GetTimestamp();
        _window.Enqueue((now, tokens));
        _windowTokens += tokens;
        _totalTokens += tokens;
        while (_window.Count > windowSteps + 1)
        {
            // The first entry only marks where the window begins: its tokens went before.
            _window.Dequeue();
            _windowTokens -= _window.Peek().Tokens;
        }

        double seconds = time.GetElapsedTime(_window.Peek().Timestamp, now).TotalSeconds;
        return seconds > 0 ? _windowTokens / seconds : 0;
    }

    /// <summary>Tokens per second since the start.</summary>
    public double Average()
    {
        double seconds = time.GetElapsedTime(_start).TotalSeconds;
        return seconds > 0 ? _totalTokens / seconds : 0;
    }
}
