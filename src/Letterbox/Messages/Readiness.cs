// Whether messages can be taken now.

namespace Letterbox.Messages;

// `Reasons` why messages cannot be taken now, one line each; empty: they can. `Notes` are problems that an
// operator should fix although messages are taken.
internal sealed record Readiness(IReadOnlyList<string> Reasons, IReadOnlyList<string> Notes);
