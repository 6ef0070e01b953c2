//! TLS as the account wants it: which certificate is believed, and why one was not.
//!
//! It opens no connection.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use super::account::TlsTrust;
use super::arrival::FatalReason;
use crate::pinned::Pinned;

/// Builds the settings for connections that begin with TLS, or that switch to it.
pub(crate) fn client_config(
    trust: &TlsTrust,
    direct_tls: bool,
) -> Result<Arc<ClientConfig>, FatalReason> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| FatalReason::Settings(format!("TLS cannot be used: {error}")))?;
    let builder = match trust {
        TlsTrust::System => builder.with_root_certificates(system_roots()?),
        TlsTrust::Ca(pem) => builder.with_root_certificates(own_roots(pem)?),
        TlsTrust::PinnedCertificate(sha256) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::new(*sha256, provider))),
    };
    let mut config = builder.with_no_client_auth();
    if direct_tls {
        // XEP-0368 4
        config.alpn_protocols = vec![b"xmpp-client".to_vec()];
    }
    Ok(Arc::new(config))
}

fn system_roots() -> Result<RootCertStore, FatalReason> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        let text = "this system has no certificate authorities (package ca-certificates)";
        return Err(FatalReason::Settings(text.to_owned()));
    }
    Ok(roots)
}

fn own_roots(pem: &[u8]) -> Result<RootCertStore, FatalReason> {
    let broken = || FatalReason::Settings("the certificate authority file is no PEM".to_owned());
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| broken())?;
        roots.add(certificate).map_err(|_| broken())?;
    }
    if roots.is_empty() {
        Err(broken())
    } else {
        Ok(roots)
    }
}

/// What a failed handshake means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HandshakeFailure {
    /// The certificate is not believed, and waiting will not help.
    NotTrusted(String),
    /// Waiting may help.
    Passing(String),
}

/// Tells a certificate that is not believed from a connection that broke.
pub(crate) fn judge_handshake(error: &io::Error) -> HandshakeFailure {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        // A computer without a clock chip starts in the past until it was told the time.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. },
        )) => HandshakeFailure::Passing(
            "the server's certificate is not valid yet (is the clock set?)".to_owned(),
        ),
        // The server renews it, or the clock stands in the future and is set right.
        Some(rustls::Error::InvalidCertificate(
            CertificateError::Expired | CertificateError::ExpiredContext { .. },
        )) => HandshakeFailure::Passing(
            "the server's certificate has expired (is the clock right?)".to_owned(),
        ),
        Some(rustls::Error::InvalidCertificate(
            CertificateError::ApplicationVerificationFailure,
        )) => HandshakeFailure::NotTrusted("it is not the pinned one".to_owned()),
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            HandshakeFailure::NotTrusted("nobody trusted vouches for it".to_owned())
        }
        Some(rustls::Error::InvalidCertificate(reason)) => {
            HandshakeFailure::NotTrusted(reason.to_string())
        }
        Some(other) => HandshakeFailure::Passing(format!("TLS: {other}")),
        None => HandshakeFailure::Passing(format!("TLS: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(reason: CertificateError) -> io::Error {
        io::Error::new(
            io::ErrorKind::InvalidData,
            rustls::Error::InvalidCertificate(reason),
        )
    }

    #[test]
    fn an_unknown_issuer_is_for_the_owner_and_a_wrong_clock_is_not() {
        let unknown = judge_handshake(&failed(CertificateError::UnknownIssuer));
        let early = judge_handshake(&failed(CertificateError::NotValidYet));
        let late = judge_handshake(&failed(CertificateError::Expired));
        let broken = judge_handshake(&io::Error::from(io::ErrorKind::ConnectionReset));

        assert!(matches!(unknown, HandshakeFailure::NotTrusted(_)));
        assert!(matches!(early, HandshakeFailure::Passing(_)));
        assert!(matches!(late, HandshakeFailure::Passing(_)));
        assert!(matches!(broken, HandshakeFailure::Passing(_)));
    }

    #[test]
    fn a_ca_file_that_is_no_pem_is_a_settings_error() {
        let empty = client_config(&TlsTrust::Ca(Vec::new()), false);
        let garbage = client_config(&TlsTrust::Ca(b"hello".to_vec()), false);
        let pinned = client_config(&TlsTrust::PinnedCertificate([0; 32]), false);

        assert!(matches!(empty, Err(FatalReason::Settings(_))));
        assert!(matches!(garbage, Err(FatalReason::Settings(_))));
        assert!(pinned.is_ok());
    }

    #[test]
    fn only_direct_tls_names_the_application_protocol() {
        let trust = TlsTrust::PinnedCertificate([0; 32]);

        let direct = client_config(&trust, true).unwrap();
        let starttls = client_config(&trust, false).unwrap();

        assert_eq!(direct.alpn_protocols, [b"xmpp-client".to_vec()]);
        assert!(starttls.alpn_protocols.is_empty());
    }
}
