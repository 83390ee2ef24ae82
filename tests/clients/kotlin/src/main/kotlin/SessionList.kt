package session

import session.api.models.RecentSession

/** What a device stores. Each function is one transaction: a device that dies in between has the state of before. */
interface Store {
    val syncToken: String?
    fun replaceAll(sessions: List<RecentSession>, syncToken: String)
    fun apply(updated: List<RecentSession>, deleted: List<String>, syncToken: String)
}

/** A store in memory. An app has a table of sessions by `sessionId`, and one row for the token. */
class MemoryStore : Store {
    private var sessions = mapOf<String, RecentSession>()
    override var syncToken: String? = null
        private set

    override fun replaceAll(sessions: List<RecentSession>, syncToken: String) {
        this.sessions = sessions.associateBy { it.sessionId }
        this.syncToken = syncToken
    }

    override fun apply(updated: List<RecentSession>, deleted: List<String>, syncToken: String) {
        // Also what this device never had is removed.
        sessions = sessions + updated.associateBy { it.sessionId } - deleted.toSet()
        this.syncToken = syncToken
    }

    /** Newest first, as the service lists them. */
    fun list(): List<RecentSession> = sessions.values.sortedByDescending { it.updateTime }
}

/** Keeps a store equal to the list that the service has. */
class SessionList(private val service: SessionService, private val store: Store) {

    /** To be called at the start, at foreground and after a reconnect, and by one thread at a time. */
    fun sync() {
        var since = store.syncToken ?: return pullAll()
        do {
            val page = try {
                service.queryMySessionChanges(since)
            } catch (error: ApiError) {
                // The token is too old, or the operator has restored a table: start again.
                if (error.status == 410) return pullAll() else throw error
            }
            store.apply(page.updated, page.deleted, page.syncToken)
            since = page.syncToken
        } while (page.hasMore)
    }

    /** The whole list, page by page, with the token of its first page: what changes meanwhile is told by the next pass. */
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
