namespace Offload.Swap.Planning;

/// <summary>Which of a unit's updates are meant.</summary>
internal enum UpdateTurn : byte
{
    /// <summary>Those of this step that do not wait for the next one.</summary>
    OfThisStep,

    /// <summary>Those that the step before has left.</summary>
    OfStepBefore,

    /// <summary>Those of this step once more, from the old generation.</summary>
    Again,
}
