//! The vault's own account: who it is, where its server is, and which certificate it believes.

use std::fmt;
use std::net::SocketAddr;

use zeroize::Zeroizing;

/// The account's password.
///
/// It lives in one place and is wiped when dropped; it has no `Clone` and shows itself to nobody.
pub struct Password(Zeroizing<String>);

impl Password {
    /// Takes the password over.
    #[must_use]
    pub fn new(password: String) -> Self {
        Self(Zeroizing::new(password))
    }

    /// Shows the password to the login. The name is long so that a search for `expose` finds it.
    pub(crate) fn expose_to_login(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(_) = self;
        f.write_str("Password(..)")
    }
}

/// Which certificate the server may show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsTrust {
    /// One that the operating system's certificate authorities vouch for.
    System,
    /// One that these certificate authorities vouch for, and no other (PEM, one or more).
    Ca(Vec<u8>),
    /// Exactly this one: the SHA-256 of the server's own certificate (DER).
    ///
    /// Name and dates are then not looked at: the certificate itself was compared by the owner.
    PinnedCertificate([u8; 32]),
}

/// The vault's own account and how to reach its server.
#[derive(Debug)]
pub struct Account {
    /// The bare address, `vault@example.org`. For [`survey`](super::survey()) a domain alone will do.
    pub jid: String,
    /// The password.
    pub password: Password,
    /// The resource to bind; fixed, so that a lost stream is replaced and not doubled.
    pub resource: String,
    /// Host and port to connect to, in place of what the domain's SRV records say.
    pub host: Option<(String, u16)>,
    /// Whether TLS starts with the first byte (XEP-0368). Only used together with [`Self::host`].
    pub direct_tls: bool,
    /// Which certificate is believed.
    pub trust: TlsTrust,
    /// The SOCKS5 proxy that every connection goes through. No name is then asked of a name server:
    /// the proxy is given the names.
    pub proxy: Option<SocketAddr>,
    /// Whether the password may be sent as such, inside TLS, to a server that offers nothing else.
    pub allow_plain: bool,
    /// Whether these settings have led to a login before. Then nothing that somebody on the way can
    /// bring about ends the attempts: it passes when they are gone.
    pub has_worked: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    static_assertions::assert_not_impl_any!(Password: Clone, Copy, PartialEq);

    #[test]
    fn debug_shows_nothing_of_the_password() {
        let password = Password::new("correct horse".to_owned());

        let shown = format!("{password:?}");

        assert_eq!(shown, "Password(..)");
    }
}
