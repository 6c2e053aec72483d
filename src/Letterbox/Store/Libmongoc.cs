// libmongoc, MongoDB's own C driver: declarations only, named as its manual names them (https://mongoc.org).
// Who owns what, and who frees it, is MongoPool.cs. Nothing is loaded before Load is called.
//
//     bson_t         opaque, 128 bytes, must lie on a multiple of 128
//     bson_error_t   u32 domain | u32 code | 504 bytes of text, NUL-terminated          512 bytes
//     bool           one byte

using System.Reflection;
using System.Runtime.InteropServices;

namespace Letterbox.Store;

/// <summary>Why a call failed. Domain and code are libmongoc's; a failure may leave both zero.</summary>
internal unsafe struct BsonError
{
    public uint Domain;
    public uint Code;
    private fixed byte _message[504];

    public readonly string Message
    {
        get
        {
            fixed (byte* text = _message) return Marshal.PtrToStringUTF8((nint)text) ?? "";
        }
    }
}

internal static unsafe partial class Libmongoc
{
    /// <summary>Size of a <c>bson_t</c>, and the multiple it lies on, in bytes.</summary>
    public const int BsonSize = 128;

    /// <summary><c>MONGOC_READ_PRIMARY</c>.</summary>
    public const int ReadPrimary = 1;

    /// <summary>
    /// <c>MONGOC_ERROR_API_VERSION_2</c>: domain 17 is the server's, and its codes are MongoDB's own.
    /// </summary>
    public const int ErrorApi = 2;

    private const string Mongoc = "mongoc";
    private const string Bson = "bson";

    /// <summary>
    /// The file names, first found first used. A libmongoc works with the libbson of its own version only,
    /// so they are pairs. Homebrew's folder on Apple silicon is not among those that the loader searches.
    /// </summary>
    private static readonly (string Mongoc, string Bson)[] s_names =
    [
        ("libmongoc-1.0.so.0", "libbson-1.0.so.0"),
        ("libmongoc2.so.2", "libbson2.so.2"),
        ("libmongoc-1.0.0.dylib", "libbson-1.0.0.dylib"),
        ("libmongoc2.2.dylib", "libbson2.2.dylib"),
        ("/opt/homebrew/lib/libmongoc-1.0.0.dylib", "/opt/homebrew/lib/libbson-1.0.0.dylib"),
        ("/opt/homebrew/lib/libmongoc2.2.dylib", "/opt/homebrew/lib/libbson2.2.dylib"),
        ("mongoc-1.0.dll", "bson-1.0.dll"),
        ("mongoc2.dll", "bson2.dll"),
    ];

    private static readonly Lazy<(nint Mongoc, nint Bson)> s_loaded = new(Start);

    /// <summary>Loads the library and starts it, once in the life of the process.</summary>
    /// <exception cref="StoreException">It is not installed; the text says what to install.</exception>
    public static void Load() => _ = s_loaded.Value;

    /// <summary>Opens the first pair of libraries that is there.</summary>
    /// <exception cref="StoreException">None is.</exception>
    internal static (nint Mongoc, nint Bson) Find(IEnumerable<(string Mongoc, string Bson)> names)
    {
        Assembly here = typeof(Libmongoc).Assembly;
        foreach ((string mongocName, string bsonName) in names)
        {
            if (!NativeLibrary.TryLoad(mongocName, here, searchPath: null, out nint mongoc)) continue;
            if (NativeLibrary.TryLoad(bsonName, here, searchPath: null, out nint bson)) return (mongoc, bson);
            NativeLibrary.Free(mongoc);
        }

        throw new StoreException(
            "MongoDB is configured, but libmongoc, MongoDB's C driver, is not installed. Debian, Ubuntu: "
            + "apt install libmongoc-1.0-0 (or libmongoc-1.0-0t64). macOS: brew install mongo-c-driver");
    }

    private static (nint Mongoc, nint Bson) Start()
    {
        (nint Mongoc, nint Bson) found = Find(s_names);
        NativeLibrary.SetDllImportResolver(
            typeof(Libmongoc).Assembly,
            (name, _, _) => name switch { Mongoc => found.Mongoc, Bson => found.Bson, _ => 0 });
        mongoc_init();
        // By default it writes to standard error what it also returns; what it returns is reported by us.
        mongoc_log_set_handler(0, 0);
        return found;
    }

    [LibraryImport(Mongoc)]
    private static partial void mongoc_init();

    [LibraryImport(Mongoc)]
    private static partial void mongoc_log_set_handler(nint function, nint data);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mongoc_uri_new_with_error(string uri, out BsonError error);

    [LibraryImport(Mongoc)]
    internal static partial void mongoc_uri_destroy(nint uri);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_uri_has_option(nint uri, string option);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_uri_set_option_as_int32(nint uri, string option, int value);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_uri_set_appname(nint uri, string name);

    [LibraryImport(Mongoc)]
    internal static partial nint mongoc_client_pool_new_with_error(nint uri, out BsonError error);

    [LibraryImport(Mongoc)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_client_pool_set_error_api(nint pool, int version);

    [LibraryImport(Mongoc)]
    internal static partial void mongoc_client_pool_destroy(nint pool);

    [LibraryImport(Mongoc)]
    internal static partial nint mongoc_client_pool_pop(nint pool);

    [LibraryImport(Mongoc)]
    internal static partial void mongoc_client_pool_push(nint pool, nint client);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_client_write_command_with_opts(
        nint client, string database, nint command, nint options, nint reply, out BsonError error);

    [LibraryImport(Mongoc, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial nint mongoc_client_get_collection(
        nint client, string database, string collection);

    [LibraryImport(Mongoc)]
    internal static partial void mongoc_collection_destroy(nint collection);

    [LibraryImport(Mongoc)]
    internal static partial nint mongoc_collection_find_with_opts(
        nint collection, nint filter, nint options, nint readPreference);

    [LibraryImport(Mongoc)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_cursor_next(nint cursor, out nint document);

    [LibraryImport(Mongoc)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool mongoc_cursor_error(nint cursor, out BsonError error);

    [LibraryImport(Mongoc)]
    internal static partial void mongoc_cursor_destroy(nint cursor);

    [LibraryImport(Mongoc)]
    internal static partial nint mongoc_read_prefs_new(int mode);

    [LibraryImport(Mongoc)]
    internal static partial void mongoc_read_prefs_destroy(nint preference);

    [LibraryImport(Bson)]
    [return: MarshalAs(UnmanagedType.U1)]
    internal static partial bool bson_init_static(nint bson, byte* data, nuint length);

    [LibraryImport(Bson)]
    internal static partial byte* bson_get_data(nint bson);

    [LibraryImport(Bson)]
    internal static partial void bson_destroy(nint bson);
}
