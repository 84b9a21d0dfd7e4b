using System.Runtime.ExceptionServices;

namespace Offload.Swap.Tests.Execution;

/// <summary>Runs what might hang.</summary>
internal static class InTime
{
    /// <summary>Runs an action on a thread of its own; fails if it takes more than 10 s, and with its error if it fails.</summary>
    internal static void Run(Action action)
    {
        ExceptionDispatchInfo? found = null;
        var thread = new Thread(() =>
        {
            try
            {
                action();
            }
            catch (Exception error)
            {
                found = ExceptionDispatchInfo.Capture(error);
            }
        })
        {
            IsBackground = true,
        };
        thread.Start();
        Assert.True(thread.Join(TimeSpan.FromSeconds(10)), "it hangs");
        found?.Throw();
    }
}
