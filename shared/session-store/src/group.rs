//! One group: its head, and the memberships of its users.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};
use session_model::{
    Account, Entry, GroupId, GroupItems, GroupMessage, Head, HeadWrite, Interrupted, MemberAt, MemberList,
    Rank, Row, RowWrite, Timestamp, Written, put_list, record, update_members,
};

use crate::{
    Sessions, Store, StoreError,
    item::{self, Item, b, hashes, n, s},
    table::{GROUP_ID, expires_at},
    update::{Give, OLDER, Update, Updated},
};

/// How many rows are written at once: a thousand removals end in a second, on few enough connections.
const AT_ONCE: usize = 32;

/// True of a row that knows no membership event after (`:at`, `:rank`).
const NOT_GREATER: &str =
    "attribute_not_exists(memberAt) OR memberAt < :at OR (memberAt = :at AND memberRank <= :rank)";

/// One group. The order of its writes is the membership protocol of `session_model`; here is what each says to DynamoDB.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    pub(crate) store: &'a Store,
    pub(crate) id: &'a GroupId,
    pub(crate) now: Timestamp,
}

impl Group<'_> {
    /// A message, with what it says of the members. One write when it says nothing new of them.
    pub async fn record(&self, message: &GroupMessage) -> Result<(), StoreError> {
        let GroupMessage { entry, list, joined, left, .. } = message;
        Ok(record(self, self.id, entry, list.as_ref(), joined, left).await?)
    }

    /// A recall.
    pub async fn recall(&self, entry: &Entry) -> Result<(), StoreError> {
        self.write_head(HeadWrite::Record(entry.clone())).await.map(|_| ())
    }

    /// Members who joined and left at a time; who left keeps an empty session dated so.
    pub async fn update_members(
        &self,
        time: Timestamp,
        joined: &BTreeSet<Account>,
        left: &BTreeSet<Account>,
    ) -> Result<(), StoreError> {
        Ok(update_members(self, self.id, time, joined, left).await?)
    }

    /// All members at a time. Who is not among them is dropped without notice.
    pub async fn put_members(&self, list: &MemberList) -> Result<(), StoreError> {
        Ok(put_list(self, list).await?)
    }

    async fn write_row(&self, user: Account, write: RowWrite) -> Result<(Account, Written<Row>), StoreError> {
        let sessions = Sessions { store: self.store, user: &user };
        let key = sessions.key(self.id.session_id());
        let update = row_update(&write, self.now);
        let written =
            match self.store.update(&self.store.sessions_table, key, update, Give::WhenRefused).await? {
                Updated::Done(_) => Written::Done,
                Updated::Refused(mut item) => Written::Refused(item::row(&mut item)?),
            };
        Ok((user, written))
    }
}

impl GroupItems for Group<'_> {
    type Error = StoreError;

    async fn write_head(&self, write: HeadWrite) -> Result<Written<Head>, StoreError> {
        let key = Item::from([(GROUP_ID.to_owned(), s(self.id.as_str()))]);
        match self.store.update(&self.store.groups_table, key, head_update(&write), Give::WhenRefused).await?
        {
            Updated::Done(_) => Ok(Written::Done),
            Updated::Refused(mut item) => Ok(Written::Refused(item::head(&mut item)?)),
        }
    }

    async fn write_rows(
        &self,
        writes: Vec<(Account, RowWrite)>,
    ) -> Result<Vec<(Account, Written<Row>)>, StoreError> {
        let writes = writes.into_iter().map(|(user, write)| self.write_row(user, write));
        // All of them also when one fails: what is written need not be written by the repeat.
        let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
        written.into_iter().collect()
    }
}

impl From<Interrupted<Self>> for StoreError {
    fn from(interrupted: Interrupted<Self>) -> Self {
        match interrupted {
            Interrupted::Items(error) => error,
            Interrupted::Overtaken => Self::Throttled("overtaken by other writes of the group".into()),
        }
    }
}

/// The head holds just this list, and none newer.
const SAME_LIST: &str = "listKey = :digest AND listedAt <= :listed";

fn head_update(write: &HeadWrite) -> Update {
    match write {
        HeadWrite::Record(entry) => Update::record(entry),
        HeadWrite::RecordListed { entry, time, digest } => Update::record(entry)
            .set("listedAt = :listed")
            .only_if(SAME_LIST)
            .with(":listed", n(*time))
            .with(":digest", b(digest)),
        HeadWrite::RaiseListedAt { time, digest } => Update::default()
            .set("listedAt = :listed")
            .only_if(SAME_LIST)
            .with(":listed", n(*time))
            .with(":digest", b(digest)),
        HeadWrite::StoreList { version, time, digest, hashes: members, exact } => {
            let update = Update::default()
                .set("listedAt = :listed, listDigest = :digest, membersVersion = :next")
                .only_if(
                    "attribute_not_exists(listedAt) OR listedAt < :listed OR \
                     (listedAt = :listed AND listDigest < :digest)",
                )
                .with(":listed", n(*time))
                .with(":digest", b(digest))
                .with(":next", n(version + 1));
            let update = match version {
                0 => update.only_if("attribute_not_exists(membersVersion)"),
                _ => update.only_if("membersVersion = :version").with(":version", n(*version)),
            };
            let update = if *exact { update.set("listKey = :digest") } else { update.remove("listKey") };
            if members.is_empty() {
                update.remove("memberHashes")
            } else {
                update.set("memberHashes = :members").with(":members", hashes(members))
            }
        }
        HeadWrite::RemoveMembers { time, hashes: members } => Update::default()
            .set("membersVersion = if_not_exists(membersVersion, :zero) + :one")
            .remove("listKey")
            .delete("memberHashes :members")
            .only_if("attribute_not_exists(listedAt) OR listedAt < :listed")
            .with(":zero", n(0u64))
            .with(":one", n(1u64))
            .with(":listed", n(*time))
            .with(":members", hashes(members)),
    }
}

fn row_update(write: &RowWrite, now: Timestamp) -> Update {
    let membership = |at: MemberAt| {
        Update::default()
            .set("memberAt = :at, memberRank = :rank")
            .only_if(NOT_GREATER)
            .with(":at", n(at.time))
            .with(":rank", n(at.rank.as_number()))
    };
    match write {
        RowWrite::Become(at) => {
            membership(*at).set("memberSince = if_not_exists(memberSince, :at)").remove("expiresAt")
        }
        RowWrite::Leave { time, shows } => {
            let left = membership(MemberAt { time: *time, rank: Rank::Leave }).remove("memberSince");
            if *shows {
                left.only_if("attribute_exists(updateTime)")
            } else {
                left.only_if("attribute_not_exists(updateTime)")
                    .set("expiresAt = :expires")
                    .with(":expires", n(expires_at(now)))
            }
        }
        RowWrite::Record(entry) => Update::record(entry),
        RowWrite::RecordEmpty(time) => Update::default()
            .set("updateTime = :t, msgTime = :t, msgId = :id")
            .remove("lastMsg, lastMsgType, expiresAt")
            .only_if(OLDER)
            .with(":t", n(*time))
            .with(":id", s("")),
    }
}
