// Whether messages can be accepted now, and why not.

namespace Letterbox.Messages;

/// <summary>An answer to "is it well?".</summary>
/// <param name="Reasons">Why messages cannot be taken now, one line each; none: they can.</param>
/// <param name="Notes">What a person should see to although messages are taken, one line each.</param>
public sealed record Readiness(IReadOnlyList<string> Reasons, IReadOnlyList<string> Notes);
