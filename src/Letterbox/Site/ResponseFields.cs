// Field lines that several responses share, each with its reason.

namespace Letterbox.Site;

internal static class ResponseFields
{
    // Browsers must use the declared media type and not guess from the bytes.
    public static readonly (string, string) NoSniff = ("X-Content-Type-Options", "nosniff");

    // Other sites must not see which page a visitor came from.
    public static readonly (string, string) Referrer = ("Referrer-Policy", "same-origin");

    // A page that contains the text or key of a user is private and different each time.
    public static readonly (string, string) NoStore = ("Cache-Control", "no-store");

    // The empty form: revalidated at every visit, but a browser that goes back to it shows the one it had. If
    // the browser restored the text under a fresh key, one message would become two.
    public static readonly (string, string) ReuseOnBack = ("Cache-Control", "private, no-cache");

    // Built-in pages load a style sheet, images and a script from this server and post their form to it;
    // nothing else is allowed, whatever text a user managed to inject.
    public static readonly (string, string) StrictPolicy = ("Content-Security-Policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; "
        + "base-uri 'none'; frame-ancestors 'none'");

    // Custom pages may load anything; they must not be framed or given another base by others.
    public static readonly (string, string) CustomPolicy = ("Content-Security-Policy",
        "object-src 'none'; form-action 'self'; base-uri 'self'; frame-ancestors 'none'");
}
