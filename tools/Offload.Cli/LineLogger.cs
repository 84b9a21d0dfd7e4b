using Microsoft.Extensions.Logging;

namespace Offload.Cli;

/// <summary>Log messages as lines for people: plain, warnings marked; with details also the category and the error's text.</summary>
/// <param name="output">Where to.</param>
/// <param name="verbose">Debug messages and details too.</param>
internal sealed class LineLogger<T>(TextWriter output, bool verbose) : ILogger<T>
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= (verbose ? LogLevel.Debug : LogLevel.Information);

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!IsEnabled(logLevel))
        {
            return;
        }

        string category = verbose ? $"{typeof(T).Name}: " : "";
        string mark = logLevel >= LogLevel.Warning ? "warning: " : "";
        output.WriteLine($"{category}{mark}{formatter(state, exception)}{(verbose && exception is not null ? $" ({exception})" : "")}");
    }
}
