using System.IO.Hashing;
using Offload.Engine.Hub;
using Offload.Engine.Interop;
using Offload.Engine.Models;
using Offload.Engine.Tests.Data;
using Offload.Engine.Tests.Training;
using Offload.Engine.Training;
using Offload.Storage.Safetensors;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Hub;

/// <summary>The fingerprint of weights, and random ones.</summary>
public sealed class WeightsTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public WeightsTests()
    {
        _ = TorchRuntime.Current;
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama")]
    [InlineData("llama3-tied")]
    [InlineData("gpt2")]
    public void WeightsHash_ImportedModel_IsThatOfTheFilesTensorsInOrdinalOrder(string name)
    {
        string path = Path.Combine(GoldenFolder.Repository, name);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(Path.Combine(path, "model.safetensors"));
        using ResidentModel model = TinyRun.NewModel(path);
        ModelImport.Read(checkpoint, model, TestContext.Current.CancellationToken);
        using var all = new MemoryStream();
        foreach (string tensor in checkpoint.Tensors.Keys.Order(StringComparer.Ordinal))
        {
            byte[] bytes = new byte[checkpoint.Get(tensor).SizeBytes];
            checkpoint.Read(tensor, 0, bytes);
            all.Write(bytes);
        }

        Assert.Equal(Convert.ToHexStringLower(XxHash128.Hash(all.ToArray())), WeightsHash.Compute(model, TestContext.Current.CancellationToken));
    }

    [Fact]
    public void RandomInitialization_SameSeed_GivesTheSameWeights()
    {
        string Hash(long seed)
        {
            using ResidentModel model = TinyRun.NewModel(TinyModel.Write(_folder["model"]));
            RandomInitialization.Fill(model, seed);
            return WeightsHash.Compute(model, TestContext.Current.CancellationToken);
        }

        Assert.Equal(Hash(1), Hash(1));
        Assert.NotEqual(Hash(1), Hash(2));
    }

    [Fact]
    public void RandomInitialization_Matrices_AreNormalOfTheirDeviation()
    {
        using ResidentModel model = TinyRun.NewModel(TinyModel.Write(_folder["model"], config =>
        {
            config["hidden_size"] = 128;
            config["intermediate_size"] = 512;
        }));
        RandomInitialization.Fill(model, seed: 3, TestContext.Current.CancellationToken);
        foreach ((ParameterInfo parameter, float[] values) in Parameters(model))
        {
            if (!parameter.IsMatrix)
            {
                Assert.All(values, value => Assert.Equal(1, value));
                continue;
            }

            bool isResidual = parameter.Name.EndsWith("o_proj.weight", StringComparison.Ordinal) || parameter.Name.EndsWith("down_proj.weight", StringComparison.Ordinal);
            double deviation = isResidual ? 0.01 : 0.02; // two layers: divided by sqrt(2 * 2)
            double[] standard = [.. values.Select(value => value / deviation)];
            // Four standard errors of each moment of a normal sample.
            double error = 4 / Math.Sqrt(values.Length);
            Assert.InRange(standard.Average(), -error, error);
            Assert.InRange(standard.Average(value => value * value), 1 - (error * Math.Sqrt(2)), 1 + (error * Math.Sqrt(2)));
            Assert.InRange(standard.Average(value => Math.Pow(value, 3)), -error * Math.Sqrt(15), error * Math.Sqrt(15));
            Assert.InRange(standard.Average(value => Math.Pow(value, 4)), 3 - (error * Math.Sqrt(96)), 3 + (error * Math.Sqrt(96)));
        }
    }

    [Fact]
    public void RandomInitialization_Biases_AreZero()
    {
        using ResidentModel model = TinyRun.NewModel(Path.Combine(GoldenFolder.Repository, "gpt2"));
        RandomInitialization.Fill(model, seed: 3, TestContext.Current.CancellationToken);

        Assert.All(
            Parameters(model).Where(pair => !pair.Info.IsMatrix),
            pair => Assert.All(pair.Values, value => Assert.Equal(pair.Info.Name.EndsWith(".bias", StringComparison.Ordinal) ? 0 : 1, value)));
    }

    private static IEnumerable<(ParameterInfo Info, float[] Values)> Parameters(ResidentModel model)
    {
        foreach (UnitLayout unit in model.Layout.Units)
        {
            foreach (ParameterInfo parameter in unit.Parameters)
            {
                var values = new float[parameter.Count];
                model.ReadMasters(unit.Index, parameter.Offset, values);
                yield return (parameter, values);
            }
        }
    }
}
