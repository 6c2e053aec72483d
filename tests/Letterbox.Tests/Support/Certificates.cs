// Certificates for tests: pairs as files, a certificate authority, and what that issues.

using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Letterbox.Configuration;
using Letterbox.Hosting;

namespace Letterbox.Tests.Support;

/// <summary>Makes certificates in a temporary folder.</summary>
internal sealed class Certificates : IDisposable
{
    private static readonly DateTimeOffset s_now = DateTimeOffset.UtcNow;
    private readonly TempFolder _folder = new();

    /// <summary>A fresh pair as <c>letterbox tls init</c> makes it.</summary>
    public Settings SelfSigned(string name)
    {
        (string certificate, string key) = MutualTls.MakePair();
        return Write(name, certificate, key, authority: null);
    }

    /// <summary>A certificate that the authority of this name issues for a host.</summary>
    public Settings Issued(
        string authority, string host, int fromDays = -1, int toDays = 30, string? at = null)
    {
        (X509Certificate2 issuer, string path) = Authority(authority);
        using (issuer)
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={host}", key, HashAlgorithmName.SHA256);
            var names = new SubjectAlternativeNameBuilder();
            if (IPAddress.TryParse(host, out IPAddress? ip)) names.AddIpAddress(ip);
            else names.AddDnsName(host);
            request.CertificateExtensions.Add(names.Build());
            // RFC 5280 4.2.2.1: where the issuer's certificate can be fetched from.
            if (at is not null)
                request.CertificateExtensions.Add(new X509AuthorityInformationAccessExtension(null, [at]));
            byte[] serial = RandomNumberGenerator.GetBytes(8);
            using X509Certificate2 made =
                request.Create(issuer, s_now.AddDays(fromDays), s_now.AddDays(toDays), serial);
            string name = Convert.ToHexString(serial);
            return Write(name, made.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem(), path);
        }
    }

    /// <summary>The path of a file of this content.</summary>
    public string File(string name, string content)
    {
        _folder.Write(name, content);
        return _folder.File(name);
    }

    /// <inheritdoc/>
    public void Dispose() => _folder.Dispose();

    private (X509Certificate2 Issuer, string Path) Authority(string name)
    {
        string path = _folder.File($"{name}.ca"), keyPath = _folder.File($"{name}.ca.key");
        if (!System.IO.File.Exists(path))
        {
            using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            var request = new CertificateRequest($"CN={name}", key, HashAlgorithmName.SHA256);
            request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
            using X509Certificate2 made = request.CreateSelfSigned(s_now.AddDays(-400), s_now.AddDays(400));
            _folder.Write($"{name}.ca", made.ExportCertificatePem());
            _folder.Write($"{name}.ca.key", key.ExportPkcs8PrivateKeyPem());
        }

        return (X509Certificate2.CreateFromPemFile(path, keyPath), path);
    }

    private Settings Write(string name, string certificate, string key, string? authority) => new()
    {
        TlsCertificate = File($"{name}.crt", certificate),
        TlsKey = File($"{name}.key", key),
        TlsAuthority = authority,
    };
}
