using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using TorchSharp;

namespace Offload.Cli;

/// <summary>The value of <c>--device</c>.</summary>
/// <param name="Type"><see cref="DeviceType.CPU"/> or <see cref="DeviceType.CUDA"/>.</param>
/// <param name="Index">Which GPU, from 0; 0 for the CPU.</param>
internal sealed record DeviceChoice(DeviceType Type, int Index)
{
    /// <summary>Reads <c>cpu</c>, <c>cuda</c> or <c>cuda:N</c>.</summary>
    internal static bool TryParse(string text, [NotNullWhen(true)] out DeviceChoice? device)
    {
        device = text switch
        {
            "cpu" => new DeviceChoice(DeviceType.CPU, 0),
            "cuda" => new DeviceChoice(DeviceType.CUDA, 0),
            _ when text.StartsWith("cuda:", StringComparison.Ordinal) && int.TryParse(text[5..], NumberStyles.None, CultureInfo.InvariantCulture, out int index) => new DeviceChoice(DeviceType.CUDA, index),
            _ => null,
        };
        return device is not null;
    }
}
