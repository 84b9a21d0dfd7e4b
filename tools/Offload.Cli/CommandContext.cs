using System.CommandLine;
using Offload.Engine.Interop;
using Offload.Profiles;
using TorchSharp;

namespace Offload.Cli;

/// <summary>What a command's work gets: its options, where to write, and when to stop. Used by one thread at a time.</summary>
internal sealed class CommandContext
{
    private readonly ParseResult _parsed;

    internal CommandContext(ParseResult parsed, TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        _parsed = parsed;
        Output = output;
        Error = error;
        Cancellation = cancellation;
    }

    /// <summary>Results; with <c>--json</c> nothing but what <see cref="WriteJson"/> writes.</summary>
    internal TextWriter Output { get; }

    /// <summary>Messages.</summary>
    internal TextWriter Error { get; }

    /// <summary>Set by Ctrl-C and SIGTERM: stop at the next safe point and throw <see cref="OperationCanceledException"/>.</summary>
    internal CancellationToken Cancellation { get; }

    /// <summary>Whether results are JSON, one object a line.</summary>
    internal bool Json => _parsed.GetValue(CommonOptions.Json);

    /// <summary>Whether the user wants details.</summary>
    internal bool Verbose => _parsed.GetValue(CommonOptions.Verbose);

    /// <summary>An option's value; its default, usually null, if not given.</summary>
    internal T? Get<T>(Option<T> option) => _parsed.GetValue(option);

    /// <summary>An argument's value.</summary>
    internal T? Get<T>(Argument<T> argument) => _parsed.GetValue(argument);

    /// <summary>Writes one compact JSON object and a line end to the output.</summary>
    internal void WriteJson<T>(T value) => JsonLine.Write(Output, value);

    /// <summary>Loads libtorch as <c>--libtorch</c> or its default says, before the first tensor.</summary>
    /// <exception cref="OffloadException">There is none, or it does not fit.</exception>
    internal LoadedTorch LoadTorch(DeviceType device = DeviceType.CPU) => TorchRuntime.Load(LibtorchLocator.Locate(Get(CommonOptions.Libtorch)), device);
}
