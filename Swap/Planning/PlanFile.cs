using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Offload.Profiles;

namespace Offload.Swap.Planning;

/// <summary>Reads and writes plans as JSON. Unknown names, missing ones, words and numbers that mean nothing are refused. Stateless: any thread.</summary>
public static class PlanFile
{
    private const string Hint = "offload plan --save FILE writes such a file";

    private static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.CamelCase,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        AllowDuplicateProperties = false,
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase, allowIntegerValues: false) },

        // A plan says everything: a decision that is left out would silently be the one that is usual today.
        TypeInfoResolver = new DefaultJsonTypeInfoResolver { Modifiers = { RequireAll } },
    };

    /// <summary>A plan as UTF-8 JSON, for people to read and change.</summary>
    public static byte[] Format(SavedPlan plan) => JsonSerializer.SerializeToUtf8Bytes(plan, Options);

    /// <summary>Parses a plan.</summary>
    /// <param name="json">UTF-8.</param>
    /// <param name="source">Names it in messages: the file's path.</param>
    /// <exception cref="UsageException">Not a plan; says which name, word or number is wrong.</exception>
    public static SavedPlan Parse(ReadOnlySpan<byte> json, string source)
    {
        SavedPlan saved;
        try
        {
            saved = JsonSerializer.Deserialize<SavedPlan>(json, Options) ?? throw new UsageException($"{source}: expected a plan, found null", Hint);
        }
        catch (JsonException error)
        {
            throw new UsageException($"{source}: not a plan: {error.Message}", Hint, error);
        }

        Check(saved, source);
        return saved;
    }

    /// <summary>Reads a plan.</summary>
    /// <exception cref="UsageException">The file cannot be read, or is no plan.</exception>
    public static SavedPlan Read(string path)
    {
        byte[] json;
        try
        {
            json = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UsageException($"{path}: cannot be read: {error.Message}", Hint, error);
        }

        return Parse(json, path);
    }

    private static void RequireAll(JsonTypeInfo type)
    {
        foreach (JsonPropertyInfo property in type.Properties.Where(property => property.Set is not null))
        {
            property.IsRequired = true;
        }
    }

    private static void Check(SavedPlan saved, string source)
    {
        Require("sequenceTokens", saved.SequenceTokens, 1);
        Require("microBatchSequences", saved.MicroBatchSequences, 1);
        Require("numMicroBatches", saved.NumMicroBatches, 1);
        Require("storeGenerations", saved.StoreGenerations, 0);
        Require("plan.weightSlots", saved.Plan.WeightSlots, 1);
        Require("plan.gradientSlots", saved.Plan.GradientSlots, 1);
        Require("plan.activationSlots", saved.Plan.ActivationSlots, 1);
        Require("plan.stagingSlots", saved.Plan.StagingSlots, 1);
        Require("plan.hostWeightSlots", saved.Plan.HostWeightSlots, 1);
        Require("plan.tileSlots", saved.Plan.TileSlots, 1);
        if (saved.StoreGenerations > 2)
        {
            throw new UsageException($"{source}: storeGenerations: expected at most 2, found {saved.StoreGenerations}", Hint);
        }

        // The embedding, a layer and the head.
        if (saved.Plan.Units.Count < 3)
        {
            throw new UsageException($"{source}: plan.units: expected at least 3, found {saved.Plan.Units.Count}", Hint);
        }

        int unit = saved.Plan.Units.ToList().FindIndex(one => one is null);
        if (unit >= 0)
        {
            throw new UsageException($"{source}: plan.units[{unit}]: expected a unit, found null", Hint);
        }

        void Require(string name, int found, int least)
        {
            if (found < least)
            {
                throw new UsageException($"{source}: {name}: expected at least {least}, found {found}", Hint);
            }
        }
    }
}
