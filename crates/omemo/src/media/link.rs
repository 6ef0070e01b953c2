//! The link: what it may look like, and nothing about whether to follow it.

use std::fmt;

use zeroize::Zeroizing;

use super::{MediaCipher, MediaSecret};

const SCHEME: &str = "aesgcm://";
const HTTPS: &str = "https://";
/// Longer than any upload service makes them.
const MAX_LINK_BYTES: usize = 8192;
const MAX_HOST_BYTES: usize = 255;

/// A link to an encrypted file. `Debug` shows neither address nor key.
pub struct MediaLink {
    /// The `https` address of the ciphertext, without fragment.
    pub url: String,
    /// The file name: the last segment of the path, percent-decoded. Not sanitised: it may hold
    /// slashes, control characters or nothing at all.
    pub name: String,
    /// Key and IV.
    pub secret: MediaSecret,
}

impl MediaLink {
    /// Reads the body of a message that is nothing but a link, perhaps with a thumbnail
    /// (`data:` address) on further lines, which is ignored.
    ///
    /// # Errors
    /// [`LinkError`]; [`LinkError::NotALink`] if it is some other text.
    pub fn parse(body: &str) -> Result<Self, LinkError> {
        let (link, rest) = body.split_once('\n').unwrap_or((body, ""));
        let link = link
            .strip_suffix('\r')
            .unwrap_or(link)
            .trim_end_matches(' ');
        let has_scheme = link
            .get(..SCHEME.len())
            .is_some_and(|it| it.eq_ignore_ascii_case(SCHEME));
        if !has_scheme {
            return Err(LinkError::NotALink);
        }
        if link.len() > MAX_LINK_BYTES {
            return Err(LinkError::TooLong);
        }
        // Conversations puts a small preview on the second line
        if !rest.trim().is_empty() && !rest.starts_with("data:") {
            return Err(LinkError::TrailingText);
        }
        let (address, fragment) = link
            .split_at(SCHEME.len())
            .1
            .split_once('#')
            .ok_or(LinkError::Secret)?;
        let (url, name) = read_address(address)?;
        Ok(Self {
            url,
            name,
            secret: read_secret(fragment)?,
        })
    }
}

impl fmt::Debug for MediaLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            url: _,
            name: _,
            secret: _,
        } = self;
        f.write_str("MediaLink(..)")
    }
}

impl MediaSecret {
    /// Builds the link for content that lies at `url` (`https://…`, without fragment).
    ///
    /// # Errors
    /// [`LinkError`] if the address could not be read back by [`MediaLink::parse`], or if the
    /// cipher is not the one of links.
    pub fn link(&self, url: &str) -> Result<Zeroizing<String>, LinkError> {
        if self.cipher != MediaCipher::Aes256Gcm {
            return Err(LinkError::Secret);
        }
        let address = url.strip_prefix(HTTPS).ok_or(LinkError::Address)?;
        let (url, _) = read_address(address)?;
        let address = url.strip_prefix(HTTPS).ok_or(LinkError::Address)?;
        let secret = self.to_bytes();
        let length = SCHEME.len() + address.len() + 1 + 2 * secret.len();
        if length > MAX_LINK_BYTES {
            return Err(LinkError::TooLong);
        }
        let mut link = Zeroizing::new(String::with_capacity(length));
        link.push_str(SCHEME);
        link.push_str(address);
        link.push('#');
        for byte in secret.iter() {
            for digit in [byte >> 4, byte & 0x0F] {
                link.extend(char::from_digit(digit.into(), 16));
            }
        }
        Ok(link)
    }
}

/// Reads an `https` address as a description gives it; returns it without its fragment, and the
/// name of the file as far as the address tells one.
pub(super) fn read_url(url: &str) -> Result<(String, String), LinkError> {
    if url.len() > MAX_LINK_BYTES {
        return Err(LinkError::TooLong);
    }
    let (scheme, address) = url
        .split_at_checked(HTTPS.len())
        .ok_or(LinkError::NotALink)?;
    if !scheme.eq_ignore_ascii_case(HTTPS) {
        return Err(LinkError::NotALink);
    }
    read_address(address.split('#').next().unwrap_or_default())
}

/// Reads `host[:port]/path[?query]`; returns the https address and the file name.
fn read_address(address: &str) -> Result<(String, String), LinkError> {
    let (authority, path) = address.split_once('/').ok_or(LinkError::Address)?;
    let authority_length = read_authority(authority).map(str::len)?;
    let mut url = String::with_capacity(HTTPS.len() + address.len());
    url.push_str(HTTPS);
    url.push_str(address.get(..authority_length).unwrap_or_default());
    url.push('/');
    for character in path.chars() {
        match character {
            // RFC 3986 3.3, 3.4; '#' would start a second fragment
            '!' | '$'..=';' | '=' | '?' | '@' | 'A'..='Z' | '_' | 'a'..='z' | '~' => {
                url.push(character);
            }
            // names that a client forgot to encode. // RFC 3987 3.1
            letter if !letter.is_ascii() && !letter.is_control() => {
                let mut bytes = [0; 4];
                for byte in letter.encode_utf8(&mut bytes).bytes() {
                    url.push_str(&format!("%{byte:02X}"));
                }
            }
            _ => return Err(LinkError::Address),
        }
    }
    let before_query = path.split('?').next().unwrap_or_default();
    let segment = before_query.rsplit('/').next().unwrap_or_default();
    Ok((url, percent_decode(segment)))
}

/// Checks `host[:port]`: no user, no empty host, nothing that could be read in two ways.
fn read_authority(authority: &str) -> Result<&str, LinkError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (inside, after) = rest.split_once(']').ok_or(LinkError::Address)?;
            let is_address = !inside.is_empty()
                && inside
                    .chars()
                    .all(|it| it.is_ascii_hexdigit() || it == ':' || it == '.');
            if !is_address {
                return Err(LinkError::Address);
            }
            (inside, if after.is_empty() { None } else { Some(after) })
        }
        None => {
            let (host, port) = authority.split_at(authority.find(':').unwrap_or(authority.len()));
            let is_name = host.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .chars()
                        .all(|it| it.is_ascii_alphanumeric() || it == '-' || it == '_')
            });
            if !is_name {
                return Err(LinkError::Address);
            }
            (host, if port.is_empty() { None } else { Some(port) })
        }
    };
    if host.len() > MAX_HOST_BYTES {
        return Err(LinkError::Address);
    }
    if let Some(port) = port {
        let digits = port.strip_prefix(':').ok_or(LinkError::Address)?;
        let is_port = digits.bytes().all(|it| it.is_ascii_digit())
            && digits.parse::<u16>().is_ok_and(|it| it != 0);
        if !is_port {
            return Err(LinkError::Address);
        }
    }
    Ok(authority)
}

fn read_secret(fragment: &str) -> Result<MediaSecret, LinkError> {
    let mut bytes = Zeroizing::new([0; 48]);
    let used = bytes
        .get_mut(..fragment.len() / 2)
        .ok_or(LinkError::Secret)?;
    hex::decode_to_slice(fragment, used).map_err(|_| LinkError::Secret)?;
    MediaSecret::from_bytes(used)
}

fn percent_decode(segment: &str) -> String {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first == b'%'
            && let Some((digits, after)) = rest.split_first_chunk::<2>()
            && let [Some(high), Some(low)] = digits.map(|it| char::from(it).to_digit(16))
            && let Ok(byte) = u8::try_from(high * 16 + low)
        {
            bytes.push(byte);
            rest = after;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Why a text is no usable link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// It does not start with `aesgcm://`, or an address in a description not with `https://`.
    #[error("not an aesgcm link")]
    NotALink,
    /// The address has characters or parts that a link may not have.
    #[error("the address in the link is malformed")]
    Address,
    /// The fragment is not an IV of 12 or 16 bytes and a key of 32 bytes in hex.
    #[error("the key in the link is malformed")]
    Secret,
    /// Something other than a thumbnail follows the link.
    #[error("the link is followed by other text")]
    TrailingText,
    /// It is longer than any real link.
    #[error("the link is too long")]
    TooLong,
}
