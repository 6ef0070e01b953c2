//! Whom to believe on the other end of a TLS connection, as a rustls configuration.
//!
//! The daemon builds one configuration from its settings and gives it to every room that
//! connects; nothing here knows what is sent over it.

use std::sync::Arc;

use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

pub use crate::pinned::FINGERPRINT_BYTES;
use crate::pinned::Pinned;

/// Whose certificates are believed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trust {
    /// Those signed by the authorities that the operating system trusts.
    System,
    /// Those signed by the owner's own authorities, given as the text of a PEM file.
    Authority(Vec<u8>),
    /// Those signed by the owner's own authorities or by the system's, where it has any: a phone
    /// may upload to a server that is not the owner's.
    SystemAnd(Vec<u8>),
    /// The one certificate with this SHA-256 fingerprint, whatever name and dates are in it.
    Certificate([u8; FINGERPRINT_BYTES]),
}

/// Why there is nobody to believe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The operating system has no list of authorities.
    #[error("the system has no certificate authorities; install the package ca-certificates")]
    NoSystemAuthorities,
    /// The PEM file is damaged, or no certificate is in it.
    #[error("the authority file holds no usable certificate in PEM form")]
    BadAuthority,
    /// The cryptography that was built in cannot do TLS.
    #[error("TLS is not available")]
    Unavailable,
}

/// Builds the configuration that believes exactly whom `trust` names, for TLS 1.2 and 1.3, with
/// no application protocol set.
///
/// # Errors
///
/// Returns why nobody at all would be believed.
pub fn client_config(trust: &Trust) -> Result<ClientConfig, TrustError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|_| TrustError::Unavailable)?;
    let builder = match trust {
        Trust::System => builder.with_root_certificates(system_authorities()?),
        Trust::Authority(pem) => builder.with_root_certificates(own_authorities(pem)?),
        Trust::SystemAnd(pem) => {
            let mut roots = own_authorities(pem)?;
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            builder.with_root_certificates(roots)
        }
        Trust::Certificate(fingerprint) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Pinned::new(*fingerprint, provider))),
    };
    Ok(builder.with_no_client_auth())
}

fn system_authorities() -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    // One unreadable file among a hundred authorities must not end all trust.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        Err(TrustError::NoSystemAuthorities)
    } else {
        Ok(roots)
    }
}

fn own_authorities(pem: &[u8]) -> Result<RootCertStore, TrustError> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| TrustError::BadAuthority)?;
        roots
            .add(certificate)
            .map_err(|_| TrustError::BadAuthority)?;
    }
    if roots.is_empty() {
        Err(TrustError::BadAuthority)
    } else {
        Ok(roots)
    }
}
