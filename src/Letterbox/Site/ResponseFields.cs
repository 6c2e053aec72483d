// The field lines that go with every page, and why.

namespace Letterbox.Site;

internal static class ResponseFields
{
    /// <summary>The declared media type is the truth: nothing is to be guessed from the bytes.</summary>
    public static readonly (string, string) NoSniff = ("X-Content-Type-Options", "nosniff");

    /// <summary>Nobody else's business where our visitors come from.</summary>
    public static readonly (string, string) Referrer = ("Referrer-Policy", "same-origin");

    /// <summary>
    /// A page with somebody's text or key in it is nobody else's and is never the same twice.
    /// </summary>
    public static readonly (string, string) NoStore = ("Cache-Control", "no-store");

    /// <summary>
    /// The empty form: fresh at every visit, but whoever goes back to it finds it under the key it had. One
    /// that came back filled in by the browser and with a fresh key from here would make two messages of one.
    /// </summary>
    public static readonly (string, string) OnlyForGoingBack = ("Cache-Control", "private, no-cache");

    /// <summary>
    /// Built-in pages load a stylesheet and a picture from here and post their form here; nothing else can
    /// happen on them, whatever text a visitor smuggles in.
    /// </summary>
    public static readonly (string, string) StrictPolicy = ("Content-Security-Policy",
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        + "frame-ancestors 'none'");

    /// <summary>
    /// Pages of one's own may load what they like; they are still not to be framed or re-based by others.
    /// </summary>
    public static readonly (string, string) OwnPolicy = ("Content-Security-Policy",
        "object-src 'none'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'");
}
