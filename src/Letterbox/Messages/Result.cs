// How an operation that can fail in an expected way ended:
//
//    Result result = journal.Append(batch);
//    if (!result.Succeeded) log.LogError("{Failure}", result.Failure);
//    if (journal.Append(batch).Failure is { } failure) return failure;

using System.Diagnostics.CodeAnalysis;

namespace Letterbox.Messages;

/// <summary>Success, or a failure with its reason in words.</summary>
internal readonly record struct Result
{
    private Result(string failure) => Failure = failure;

    public static Result Success => default;

    public static Result Failed(string reason) => new(reason);

    [MemberNotNullWhen(false, nameof(Failure))]
    public bool Succeeded => Failure is null;

    // Why it failed: one line without a full stop.
    public string? Failure { get; }

    public override string ToString() => Failure ?? "success";
}
