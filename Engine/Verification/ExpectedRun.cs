using System.Text.Json;
using System.Text.Json.Serialization;
using Offload.Storage;

namespace Offload.Engine.Verification;

/// <summary><c>expected.json</c> of a model case: the optimizer's settings and what training gave.</summary>
internal sealed record ExpectedRun
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    [JsonRequired]
    public double Lr { get; init; }

    [JsonRequired]
    public required IReadOnlyList<double> Betas { get; init; }

    [JsonRequired]
    public double Eps { get; init; }

    [JsonRequired]
    public double WeightDecay { get; init; }

    [JsonRequired]
    public double MaxGradNorm { get; init; }

    [JsonRequired]
    public int Steps { get; init; }

    /// <summary>One before each step and one after the last.</summary>
    [JsonRequired]
    public required IReadOnlyList<double> Losses { get; init; }

    /// <summary>Before clipping, one a step.</summary>
    [JsonRequired]
    public required IReadOnlyList<double> GradNorms { get; init; }

    /// <exception cref="UnreadableInputException">The file is missing or malformed.</exception>
    public static ExpectedRun Read(string path)
    {
        try
        {
            using FileStream stream = File.OpenRead(path);
            ExpectedRun run = JsonSerializer.Deserialize<ExpectedRun>(stream, Options) ?? throw new JsonException("expected an object, found null");
            return run.Betas.Count == 2 && run.Losses.Count >= run.Steps
                ? run
                : throw new JsonException($"expected 2 betas and at least {run.Steps} losses, found {run.Betas.Count} and {run.Losses.Count}");
        }
        catch (Exception error) when (error is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new UnreadableInputException(path, error.Message, "see docs/verify.md for the layout of a reference case", error);
        }
    }
}
