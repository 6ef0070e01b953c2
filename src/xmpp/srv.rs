//! Which hosts to try for a domain, in which order (RFC 2782, XEP-0368). Pure; it asks no server.

/// One SRV record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SrvRecord {
    pub(crate) priority: u16,
    pub(crate) weight: u16,
    pub(crate) port: u16,
    /// The host, without the last dot; empty if the record says that there is no such service.
    pub(crate) target: String,
}

/// A host to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// TLS starts with the first byte.
    pub(crate) direct_tls: bool,
}

/// Merges the records of both services and puts them in the order in which to try them.
///
/// `draw(n)` returns a random number from 0 to `n`. Returns an empty list if the domain says that
/// it has no such service, and the domain itself at the standard port if it says nothing.
pub(crate) fn targets(
    domain: &str,
    direct: Option<Vec<SrvRecord>>,
    starttls: Option<Vec<SrvRecord>>,
    mut draw: impl FnMut(u32) -> u32,
) -> Vec<Target> {
    if direct.is_none() && starttls.is_none() {
        // RFC 6120 3.2.2
        return vec![Target {
            host: domain.to_owned(),
            port: 5222,
            direct_tls: false,
        }];
    }
    let mark = |records: Option<Vec<SrvRecord>>, direct_tls: bool| {
        let records = records.unwrap_or_default().into_iter();
        // RFC 2782: a target of "." means that the service is decidedly not available.
        records
            .filter(|r| !r.target.is_empty())
            .map(move |r| (r, direct_tls))
    };
    let mut records: Vec<_> = mark(direct, true).chain(mark(starttls, false)).collect();
    // RFC 2782: within a priority, records of weight 0 come first so that they can be drawn at all.
    records.sort_by_key(|(record, _)| (record.priority, record.weight));
    let mut ordered = Vec::with_capacity(records.len());
    while let Some(priority) = records.first().map(|(record, _)| record.priority) {
        let same = records.iter().take_while(|(r, _)| r.priority == priority);
        let weights: Vec<u32> = same.map(|(r, _)| u32::from(r.weight)).collect();
        let drawn = draw(weights.iter().sum());
        let mut sum = 0;
        let chosen = weights.iter().position(|weight| {
            sum += weight;
            sum >= drawn
        });
        let (record, direct_tls) = records.remove(chosen.unwrap_or(0));
        ordered.push(Target {
            host: record.target,
            port: record.port,
            direct_tls,
        });
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> SrvRecord {
        SrvRecord {
            priority,
            weight,
            port: 5222,
            target: target.to_owned(),
        }
    }

    fn hosts(targets: &[Target]) -> Vec<(&str, bool)> {
        targets
            .iter()
            .map(|t| (t.host.as_str(), t.direct_tls))
            .collect()
    }

    #[test]
    fn without_records_the_domain_itself_is_tried_with_starttls() {
        let found = targets("example.org", None, None, |_| 0);

        let own = Target {
            host: "example.org".to_owned(),
            port: 5222,
            direct_tls: false,
        };
        assert_eq!(found, [own]);
    }

    #[test]
    fn both_services_are_merged_by_priority() {
        let direct = Some(vec![record(5, 0, "b"), record(20, 0, "d")]);
        let starttls = Some(vec![record(10, 0, "c"), record(0, 0, "a")]);

        let found = targets("example.org", direct, starttls, |_| 0);

        assert_eq!(
            hosts(&found),
            [("a", false), ("b", true), ("c", false), ("d", true)]
        );
    }

    #[test]
    fn the_draw_decides_within_a_priority_by_weight() {
        let records = || Some(vec![record(1, 10, "light"), record(1, 90, "heavy")]);

        let low = targets("example.org", records(), None, |_| 10);
        let high = targets("example.org", records(), None, |sum| sum);

        assert_eq!(hosts(&low), [("light", true), ("heavy", true)]);
        assert_eq!(hosts(&high), [("heavy", true), ("light", true)]);
    }

    #[test]
    fn a_dot_means_that_this_service_is_not_offered() {
        let none = || Some(vec![record(0, 0, "")]);

        let only_direct = targets("x", Some(vec![record(1, 0, "a")]), none(), |_| 0);
        let nothing = targets("x", none(), none(), |_| 0);
        let nothing_known_of_the_other = targets("x", None, none(), |_| 0);

        assert_eq!(hosts(&only_direct), [("a", true)]);
        assert_eq!(nothing, []);
        assert_eq!(nothing_known_of_the_other, []);
    }
}
