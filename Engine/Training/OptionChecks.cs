using System.Globalization;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>Refuses options that are out of range, by the names under which users give them, before anything is read or written.</summary>
internal static class OptionChecks
{
    /// <summary>Checks all that depends on neither model nor data.</summary>
    /// <exception cref="UsageException">An option is out of range.</exception>
    public static void Check(TrainingOptions options)
    {
        Require("--eval-fraction", options.EvalFraction, value => value is >= 0 and < 1, "a number of at least 0 and below 1");
        Require("--epochs", options.Epochs, value => value > 0 && double.IsFinite(value), "a finite number above 0");
        Require("--lr", options.LearningRate, value => value >= 0 && double.IsFinite(value), "a finite number of 0 or more");
        // As a float32 a decay must stay below 1 too, or the moment would never forget.
        Require("--beta1", options.Beta1, value => value >= 0 && (float)value < 1f, "a number from 0 to below 1");
        Require("--beta2", options.Beta2, value => value >= 0 && (float)value < 1f, "a number from 0 to below 1");
        Require("--epsilon", options.Epsilon, value => value is >= 1.17549435e-38 and <= float.MaxValue, "a number from 1.2e-38 to 3.4e38");
        Require("--weight-decay", options.WeightDecay, value => value >= 0 && double.IsFinite(value), "a finite number of 0 or more");
        Require("--max-grad-norm", options.MaxGradNorm, value => value >= 0 && double.IsFinite(value), "a finite number of 0 or more");
        CheckNvmeFolders(options);
    }

    private static void CheckNvmeFolders(TrainingOptions options)
    {
        string output = FullPath(options.OutputFolder);
        var seen = new HashSet<string>();
        foreach (string folder in options.NvmeFolders)
        {
            string full = FullPath(folder);
            if (!seen.Add(full))
            {
                throw new UsageException($"--nvme {folder}: the folder is named twice", "name one folder on each drive");
            }

            if (Path.Join(full, "/").StartsWith(Path.Join(output, "/"), StringComparison.Ordinal))
            {
                throw new UsageException($"--nvme {folder}: expected a folder outside of --output {options.OutputFolder}", "a run's folder holds nothing but what the run itself puts there");
            }
        }

        static string FullPath(string path) => Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
    }

    private static void Require(string option, double? value, Func<double, bool> isAllowed, string expected)
    {
        if (value is double given && !isAllowed(given))
        {
            throw new UsageException(string.Create(CultureInfo.InvariantCulture, $"{option}: expected {expected}, found {given}"), "offload train --help lists all options");
        }
    }
}
