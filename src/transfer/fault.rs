//! What goes wrong with a connection, sorted by what can be done about it.
//!
//! The errors of the HTTP and TLS libraries name hosts and URLs, so they end here: only kinds go
//! on.

use std::{error::Error, io};

use rustls::CertificateError;

use super::rules::Refusal;

/// Why a server was not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsFault {
    /// No trusted authority signed the certificate, or it is not the pinned one.
    #[error("the server's certificate is not trusted")]
    Untrusted,
    /// The certificate is for other hosts.
    #[error("the server's certificate is for another host")]
    WrongName,
    /// The certificate is not valid today, or this computer's clock is wrong.
    #[error("the server's certificate has expired or is not valid yet, or our clock is wrong")]
    Expired,
    /// No agreement on TLS 1.2 or 1.3, or no TLS at all.
    #[error("the server and we found no common form of TLS")]
    Handshake,
}

/// The faults that a download and an upload have in common.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Refused(Refusal),
    Unresolved,
    Unreachable(io::ErrorKind),
    Tls(TlsFault),
    Protocol,
}

impl From<Refusal> for Fault {
    fn from(why: Refusal) -> Self {
        Self::Refused(why)
    }
}

impl Fault {
    /// Finds the kind of fault at the bottom of a chain of library errors.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return Self::Unreachable(io::ErrorKind::TimedOut);
        }
        let mut kind = None;
        let mut link: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = link {
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return Self::Tls(tls_fault(tls));
            }
            let io = cause.downcast_ref::<io::Error>();
            kind = io.map(io::Error::kind).or(kind);
            // An `io::Error` hides what it wraps from `source`.
            link = match io.and_then(io::Error::get_ref) {
                Some(inner) => Some(inner),
                None => cause.source(),
            };
        }
        match kind {
            Some(kind) => Self::Unreachable(kind),
            None if error.is_connect() => Self::Unreachable(io::ErrorKind::Other),
            None => Self::Protocol,
        }
    }
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's lists are open"
)]
fn tls_fault(error: &rustls::Error) -> TlsFault {
    let rustls::Error::InvalidCertificate(why) = error else {
        return TlsFault::Handshake;
    };
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::WrongName
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => TlsFault::Expired,
        _ => TlsFault::Untrusted,
    }
}
