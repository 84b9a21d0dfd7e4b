using System.CommandLine;
using Offload.Cli.Demo;
using Offload.Engine.Generation;
using Offload.Engine.Training;
using Offload.Profiles;

namespace Offload.Cli.Commands;

/// <summary><c>offload demo</c>: fine-tunes a small model that comes along, on a text that comes along, on the CPU.</summary>
internal static class DemoCommand
{
    private const string DefaultOutput = "offload-demo";
    private const long DefaultSteps = 220;
    private const string Prompt = "Question: What is a tile?\nAnswer:";

    internal static Command Create()
    {
        var command = new Command("demo", "Fine-tune a small model that comes along, on the CPU, in about two minutes: from children's stories to questions about Offload");
        Option[] options = [CommonOptions.Output, CommonOptions.Steps, CommonOptions.Seed, CommonOptions.Dtype, CommonOptions.Threads];
        foreach (Option option in options)
        {
            command.Add(option);
        }

        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string output = context.Get(CommonOptions.Output) ?? FreeFolder();
        if (File.Exists(output))
        {
            throw new UsageException($"--output {output}: expected a folder, found a file", "choose another folder");
        }

        if (Directory.Exists(output) && Directory.EnumerateFileSystemEntries(output).Any())
        {
            throw new UsageException($"--output {output}: expected an empty folder, found files", "choose another folder");
        }

        context.LoadTorch();
        (string modelFolder, string textFile) = DemoAssets.Extract(output);
        TrainingOptions options = Options(context, output, modelFolder, textFile);
        Say(context, "A model of 2.8 million parameters, pretrained on simple children's stories, now learns to answer questions about Offload.");
        string before = Sample(context, modelFolder, options);
        Say(context, $"\nBefore:\n{Indent(Prompt + before)}\n");
        var trainer = new Trainer(options, new TrainingOutput(context, TimeProvider.System), new LineLogger<Trainer>(context.Error, context.Verbose), TimeProvider.System);
        TrainingResult result = trainer.Run(context.Cancellation);
        string after = Sample(context, result.ModelFolder!, options);
        if (context.Json)
        {
            context.WriteJson(new DemoResult(result, Prompt, before, after));
        }
        else
        {
            Write(context.Output, result, Prompt + after);
        }

        return ExitCode.Done;
    }

    private static TrainingOptions Options(CommandContext context, string output, string modelFolder, string textFile) => new()
    {
        ModelFolder = modelFolder,
        DataFiles = [textFile],
        OutputFolder = Path.Combine(output, "run"),
        EvalFraction = 0.1,
        Steps = context.Get(CommonOptions.Steps) ?? DefaultSteps,
        SequenceTokens = 256,
        MicroBatchSequences = 8,
        TokensPerStep = 2048,
        LearningRate = 2e-3,
        Schedule = ScheduleKind.Cosine,
        Seed = context.Get(CommonOptions.Seed) ?? 0,
        Type = TrainingArguments.ReadType(context) ?? Engine.Models.ComputeType.BFloat16,
        Threads = TrainingArguments.ToInt(context, CommonOptions.Threads),
    };

    private static string Sample(CommandContext context, string modelFolder, TrainingOptions options)
    {
        using TextGenerator generator = TextGenerator.Load(modelFolder, options.Type!.Value, options.Threads);
        return generator.Generate(Prompt, new GenerationOptions { MaxNewTokens = 64 }, context.Cancellation);
    }

    /// <summary>Tells how it went and what to do next, in words that a shell takes as they are.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="result">The run's.</param>
    /// <param name="sample">What the trained model says.</param>
    internal static void Write(TextWriter output, TrainingResult result, string sample)
    {
        output.WriteLine($"\nAfter:\n{Indent(sample)}\n");
        if (result.EvalLoss is double evalLoss && result.EvalLossBefore is double evalLossBefore)
        {
            output.WriteLine($"Questions that it was not trained on: loss {evalLossBefore:F3} -> {evalLoss:F3}, perplexity {Math.Exp(evalLossBefore):F1} -> {Math.Exp(evalLoss):F1}");
        }

        output.WriteLine($"The model is in {result.ModelFolder}, in the layout of the Hugging Face Hub; the run in {result.Output}.");
        output.WriteLine("Try next:");
        string offload = ThisProgram.Command;
        output.WriteLine($"  {offload} generate --model {ThisProgram.Quote(result.ModelFolder!)} --prompt \"Question: What is a tile?\"");
        output.WriteLine($"  {offload} train --model MODEL_FOLDER --data YOUR.txt --output my-run");
        output.WriteLine($"  {offload} doctor");
    }

    private static void Say(CommandContext context, string text) => (context.Json ? context.Error : context.Output).WriteLine(text);

    private static string Indent(string text) => "  " + text.TrimEnd().Replace("\n", "\n  ", StringComparison.Ordinal);

    /// <summary>Each demo gets a folder of its own, so that it can be run again.</summary>
    private static string FreeFolder()
    {
        string folder = DefaultOutput;
        for (int number = 2; Directory.Exists(folder) || File.Exists(folder); number++)
        {
            folder = $"{DefaultOutput}-{number}";
        }

        return folder;
    }
}
