using System.IO.Hashing;
using System.Text;
using System.Text.Json;
using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Storage;
using Offload.Storage.States;

namespace Offload.Engine.States;

/// <summary>Whose states a store holds: what it is opened for must be the same.</summary>
/// <param name="ModelType">The model's family, as the Hub names it.</param>
/// <param name="Parameters">Number of parameters; a tied matrix counts once.</param>
/// <param name="Layout">XxHash3 over names and shapes of all tensors, in order.</param>
/// <param name="Dtype">Element type of compute, as the Hub names it.</param>
/// <param name="Run">Identity of the run that made the store.</param>
internal sealed record StoreOwner(string ModelType, long Parameters, string Layout, string Dtype, string Run)
{
    private static readonly JsonSerializerOptions Options = new() { PropertyNamingPolicy = JsonNamingPolicy.CamelCase, RespectNullableAnnotations = true };

    /// <summary>The owner of a run's store.</summary>
    public static StoreOwner Of(ModelLayout layout, ComputeType type, string run) => new(
        layout.Config.ModelType, layout.NumParameters, HashOf(layout), type == ComputeType.Float32 ? "float32" : "bfloat16", run);

    /// <summary>What a new store of this owner holds.</summary>
    /// <param name="layout">The model.</param>
    /// <param name="tileParameters">Parameters of a tile.</param>
    /// <param name="generations">2, or 1.</param>
    public StoreDescription Describe(ModelLayout layout, long tileParameters, int generations) => new()
    {
        Units = [.. Stored(layout).Select(unit => new StateUnit(unit.Name, unit.Count, AdamWParts.All))],
        TileParameters = tileParameters,
        Generations = generations,
        Owner = JsonSerializer.SerializeToElement(this, Options),
    };

    /// <summary>Refuses a store of somebody else.</summary>
    /// <param name="path">The store, for messages.</param>
    /// <param name="found">What it holds.</param>
    /// <param name="layout">The model whose states are expected.</param>
    /// <exception cref="StoreMismatchException">Another model's, element type's or run's; says what was expected and found.</exception>
    public void Require(string path, StoreDescription found, ModelLayout layout)
    {
        StoreOwner owner;
        try
        {
            owner = found.Owner.Deserialize<StoreOwner>(Options)!;
        }
        catch (JsonException error)
        {
            throw new StoreMismatchException(path, "expected the store of a training run, found another one", "give the folders of the run's own store", error);
        }

        if ((owner.ModelType, owner.Parameters, owner.Layout) != (ModelType, Parameters, Layout))
        {
            throw Mismatch("model", $"{ModelType} of {Parameters} parameters (layout {Layout})", $"{owner.ModelType} of {owner.Parameters} parameters (layout {owner.Layout})");
        }

        if (owner.Dtype != Dtype)
        {
            throw Mismatch("dtype", Dtype, owner.Dtype);
        }

        if (owner.Run != Run)
        {
            throw Mismatch("run", Run, owner.Run);
        }

        // With layout and all else equal this can only be a store that was put together by hand.
        if (!found.Units.Select(unit => (unit.Name, unit.NumParameters)).SequenceEqual(Stored(layout).Select(unit => (unit.Name, unit.Count)))
            || found.Units.Any(unit => !unit.Parts.SequenceEqual(AdamWParts.All)))
        {
            throw new StoreMismatchException(path, "expected the exact states of AdamW for each unit of the model, found others", "use the version of offload that wrote it");
        }

        StoreMismatchException Mismatch(string what, string expected, string actual) =>
            new(path, $"a store of another {what}: expected {expected}, found {actual}", "give the folders of the run's own store");
    }

    /// <summary>Units that have parameters: all, but for the head of a model that ties its matrix and has no last norm, which comes last.</summary>
    private static IEnumerable<UnitLayout> Stored(ModelLayout layout) => layout.Units.Where(unit => unit.Count > 0);

    private static string HashOf(ModelLayout layout)
    {
        IEnumerable<string> lines = layout.Units.SelectMany(unit => unit.Parameters.Select(parameter => $"{unit.Name}/{parameter.Name} [{string.Join(", ", parameter.Shape)}]"));
        return Convert.ToHexStringLower(XxHash3.Hash(Encoding.UTF8.GetBytes(string.Join('\n', lines))));
    }
}
