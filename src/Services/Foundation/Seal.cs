using System.Security.Cryptography;
using System.Text;

namespace FlatRender.Foundation;

/// <summary>Keeps secrets in the database so that the database alone does not tell them: AES-GCM under a key made from the installation's sealing secret.</summary>
/// <param name="use">What is sealed: a seal of one use opens nothing of another.</param>
public sealed class Seal(Secrets secrets, string use)
{
    /// <summary>What the secrets of API keys are sealed for.</summary>
    public const string ApiKeys = "flatrender api keys";

    const int Nonce = 12, Tag = 16;

    readonly byte[] _key = HKDF.DeriveKey(HashAlgorithmName.SHA256, Encoding.UTF8.GetBytes(secrets.SealingKey), 32, info: Encoding.UTF8.GetBytes(use));

    /// <param name="owner">Whose it is: moved to another owner's row, it does not open.</param>
    public byte[] Close(string owner, ReadOnlySpan<byte> secret)
    {
        var text = new byte[Nonce + Tag + secret.Length];
        RandomNumberGenerator.Fill(text.AsSpan(0, Nonce));
        using var aes = new AesGcm(_key, Tag);
        aes.Encrypt(text.AsSpan(0, Nonce), secret, text.AsSpan(Nonce + Tag), text.AsSpan(Nonce, Tag), Encoding.UTF8.GetBytes(owner));
        return text;
    }

    public byte[] Close(string owner, string secret) => Close(owner, Encoding.UTF8.GetBytes(secret));

    /// <summary>What was sealed as a text.</summary>
    /// <returns>As <see cref="Open"/>.</returns>
    public string? OpenText(string owner, ReadOnlySpan<byte> text) => Open(owner, text) is { } secret ? Encoding.UTF8.GetString(secret) : null;

    /// <returns>Null: it was sealed with another secret, or for another owner.</returns>
    public byte[]? Open(string owner, ReadOnlySpan<byte> text)
    {
        var secret = new byte[text.Length - Nonce - Tag];
        using var aes = new AesGcm(_key, Tag);
        try
        {
            aes.Decrypt(text[..Nonce], text[(Nonce + Tag)..], text.Slice(Nonce, Tag), secret, Encoding.UTF8.GetBytes(owner));
            return secret;
        }
        catch (AuthenticationTagMismatchException)
        {
            return null;
        }
    }
}
