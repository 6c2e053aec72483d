// Whether messages can be taken now.

namespace Letterbox.Messages;

/// <summary>The answer of a readiness check.</summary>
/// <param name="Reasons">Why messages cannot be taken now, one line each; empty: they can.</param>
/// <param name="Notes">Problems that an operator should fix although messages are taken.</param>
internal sealed record Readiness(IReadOnlyList<string> Reasons, IReadOnlyList<string> Notes);
