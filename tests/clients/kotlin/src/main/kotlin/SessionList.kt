package session

import session.api.models.RecentSession

/** The storage of a device. Each function is one transaction: if the device dies during it, the previous state remains. */
interface Store {
    val syncToken: String?
    fun replaceAll(sessions: List<RecentSession>, syncToken: String)
    fun apply(updated: List<RecentSession>, deleted: List<String>, syncToken: String)
}

/** A store in memory. An app would use a table of sessions by `sessionId`, and one row for the token. */
class MemoryStore : Store {
    private var sessions = mapOf<String, RecentSession>()
    override var syncToken: String? = null
        private set

    override fun replaceAll(sessions: List<RecentSession>, syncToken: String) {
        this.sessions = sessions.associateBy { it.sessionId }
        this.syncToken = syncToken
    }

    override fun apply(updated: List<RecentSession>, deleted: List<String>, syncToken: String) {
        // The device may never have had some of the deleted sessions.
        sessions = sessions + updated.associateBy { it.sessionId } - deleted.toSet()
        this.syncToken = syncToken
    }

    /** Returns the sessions, newest first, as the service lists them. */
    fun list(): List<RecentSession> = sessions.values.sortedByDescending { it.updateTime }
}

/** Keeps a store equal to the service's list. */
class SessionList(private val service: SessionService, private val store: Store) {

    /** Syncs the store. Call it at start-up, on return to the foreground and after a reconnect, from one thread at a time. */
    fun sync() {
        var since = store.syncToken ?: return pullAll()
        do {
            val page = try {
                service.queryMySessionChanges(since)
            } catch (error: ApiError) {
                // The token is too old, or the operator has restored a table: fetch the list again.
                if (error.status == 410) return pullAll() else throw error
            }
            store.apply(page.updated, page.deleted, page.syncToken)
            since = page.syncToken
        } while (page.hasMore)
    }

    /** Fetches the whole list, page by page. With the first page's token, the next sync pass reports what changes meanwhile. */
    private fun pullAll() {
        var page = service.queryMySessionList()
        val syncToken = checkNotNull(page.syncToken) { "the first page has no syncToken" }
        val sessions = page.sessionList.toMutableList()
        while (page.hasMore) {
            page = service.nextPage(checkNotNull(page.nextCursor))
            sessions += page.sessionList
        }
        store.replaceAll(sessions, syncToken)
    }
}
