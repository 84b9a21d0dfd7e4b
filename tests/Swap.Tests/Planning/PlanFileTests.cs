using System.Text;
using System.Text.Json.Nodes;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Offload.Profiles;
using Offload.Swap.Planning;
using Offload.Swap.Schedules;

namespace Offload.Swap.Tests.Planning;

public sealed class PlanFileTests
{
    private static readonly Arbitrary<SavedPlan> Plans = (
        from numUnits in Gen.Choose(3, 8)
        from units in UnitPlans().ArrayOf(numUnits)
        from order in Gen.Elements(Enum.GetValues<StepOrder>())
        from update in Gen.Elements(Enum.GetValues<UpdateMode>())
        from isDurable in Gen.Elements(true, false)
        from slots in Gen.Choose(1, 9).ArrayOf(6)
        from counts in Gen.Choose(1, 4096).ArrayOf(3)
        from generations in Gen.Choose(0, 2)
        select new SavedPlan
        {
            Model = "a \"model\"",
            ModelHash = "00ff",
            Dtype = "bfloat16",
            SequenceTokens = counts[0],
            MicroBatchSequences = counts[1],
            NumMicroBatches = counts[2],
            StoreGenerations = generations,
            Plan = new SwapPlan
            {
                Units = units,
                Order = order,
                Update = update,
                IsDurable = isDurable,
                WeightSlots = slots[0],
                GradientSlots = slots[1],
                ActivationSlots = slots[2],
                StagingSlots = slots[3],
                HostWeightSlots = slots[4],
                TileSlots = slots[5],
            },
        }).ToArbitrary();

    private static readonly SavedPlan Example = Plans.Generator.Sample(1, 7)[0];

    [Property]
    public Property Parse_WhatFormatWrote_IsTheSamePlan() => Prop.ForAll(Plans, plan =>
    {
        byte[] json = PlanFile.Format(plan);

        SavedPlan back = PlanFile.Parse(json, "plan.json");

        Assert.Equal(json, PlanFile.Format(back));
        Assert.Equal(plan with { Plan = back.Plan }, back);
        Assert.Equal(plan.Plan with { Units = back.Plan.Units }, back.Plan);
        foreach ((UnitPlan before, UnitPlan after) in plan.Plan.Units.Zip(back.Plan.Units))
        {
            Assert.Equal(before.Activations, after.Activations);
            Assert.Equal(before with { Activations = after.Activations }, after);
        }
    });

    [Property]
    public Property Parse_WithAnyMemberMissing_NamesIt() => Prop.ForAll(Plans, Gen.Choose(0, int.MaxValue).ToArbitrary(), (plan, choice) =>
    {
        JsonObject root = JsonNode.Parse(PlanFile.Format(plan))!.AsObject();
        JsonObject[] objects = [root, root["plan"]!.AsObject(), root["plan"]!["units"]![0]!.AsObject()];
        JsonObject chosen = objects[choice % objects.Length];
        string name = chosen.ElementAt(choice / objects.Length % chosen.Count).Key;
        chosen.Remove(name);

        var error = Assert.Throws<UsageException>(() => PlanFile.Parse(Encoding.UTF8.GetBytes(root.ToJsonString()), "plan.json"));

        Assert.StartsWith("plan.json: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(name, error.Message, StringComparison.Ordinal);
    });

    [Theory]
    [InlineData("weightSlots", "0", "plan.weightSlots: expected at least 1, found 0")]
    [InlineData("tileSlots", "-3", "plan.tileSlots: expected at least 1, found -3")]
    [InlineData("order", "\"sideways\"", "plan.order")]
    [InlineData("update", "1", "plan.update")]
    [InlineData("units", "[]", "plan.units: expected at least 3, found 0")]
    [InlineData("units", "[null, null, null]", "plan.units[0]: expected a unit, found null")]
    [InlineData("units", "null", "units")]
    [InlineData("slots", "3", "slots")]
    public void Parse_AWrongDecision_SaysWhich(string name, string value, string expected)
    {
        JsonObject root = JsonNode.Parse(PlanFile.Format(Example))!.AsObject();
        root["plan"]![name] = JsonNode.Parse(value);

        var error = Assert.Throws<UsageException>(() => PlanFile.Parse(Encoding.UTF8.GetBytes(root.ToJsonString()), "plan.json"));

        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("{}")]
    public void Parse_NoPlan_IsRefused(string json) => Assert.Throws<UsageException>(() => PlanFile.Parse(Encoding.UTF8.GetBytes(json), "plan.json"));

    [Fact]
    public void Read_NoFile_NamesIt() => Assert.StartsWith("nowhere.json: cannot be read: ", Assert.Throws<UsageException>(() => PlanFile.Read("nowhere.json")).Message, StringComparison.Ordinal);

    private static Gen<UnitPlan> UnitPlans() =>
        from tiers in Gen.Elements(Enum.GetValues<Tier>()).ArrayOf(4)
        from count in Gen.Choose(0, 4)
        from activations in Gen.Elements(Enum.GetValues<ActivationPolicy>()).ArrayOf(count)
        select new UnitPlan { Weights = tiers[0], States = tiers[1], Gradients = tiers[2], Input = tiers[3], Activations = activations };
}
