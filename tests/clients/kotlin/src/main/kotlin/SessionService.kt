package session

import java.io.IOException
import java.util.concurrent.ConcurrentHashMap
import kotlin.random.Random
import session.api.apis.AppsApi
import session.api.infrastructure.ApiResponse
import session.api.infrastructure.ClientError
import session.api.infrastructure.ClientException
import session.api.infrastructure.Serializer
import session.api.infrastructure.ServerError
import session.api.infrastructure.ServerException
import session.api.models.DeleteOutcome
import session.api.models.LastMessage
import session.api.models.RecallNotice
import session.api.models.RecentSession
import session.api.models.RecentSessionChanges
import session.api.models.RecentSessionList
import session.api.models.SessionDeletes
import session.api.models.SessionUpdate
import session.api.models.SessionVersion

/**
 * The four operations of Yunxin's Android SDK, with its names and its order of parameters, on top of the generated client. They
 * block, so call them where the app does its I/O. The token is obtained for every request, because it may have been renewed.
 */
class SessionService(
    baseUrl: String,
    client: okhttp3.Call.Factory = okhttp3.OkHttpClient(),
    private val pause: (millis: Long) -> Unit = Thread::sleep,
    token: () -> String,
) {
    private val api = AppsApi(baseUrl, client).apply { accessTokenProvider = token }

    /** What the app was last told of each session. */
    private val versions: MutableMap<String, String> = ConcurrentHashMap()

    private fun seen(sessions: List<RecentSession>) = sessions.forEach { versions[it.sessionId] = it.version }

    /** Returns one page, newest first. A time of 0 or null sets no bound. */
    fun queryMySessionList(
        minTimestamp: Long = 0,
        maxTimestamp: Long? = null,
        needLastMsg: Int? = null,
        limit: Int? = null,
        hasMore: Int? = null,
    ): RecentSessionList = call {
        api.queryMySessionListWithHttpInfo(minTimestamp, maxTimestamp, needLastMsg, limit, hasMore, null)
    }.also { seen(it.sessionList) }

    fun queryMySession(sessionId: String): RecentSession =
        call { api.queryMySessionWithHttpInfo(sessionId) }.also { seen(listOf(it)) }

    /** Sets the custom data; an empty string removes it. If the session does not exist or is deleted, it is created. */
    fun updateMySession(sessionId: String, ext: String): RecentSession =
        call { api.updateMySessionWithHttpInfo(sessionId, SessionUpdate(ext)) }.also { seen(listOf(it)) }

    /**
     * Hides sessions. One that has got a newer message than the app was last told is not deleted, and is in `newer`. Sessions of
     * which this object has returned nothing are deleted whatever they show.
     */
    fun deleteMySession(sessionIds: Array<String>): DeleteOutcome {
        val (known, unknown) = sessionIds.distinct().partition { it in versions }
        val sessions = known.map { SessionVersion(it, versions.getValue(it)) }.toSet()
        val outcomes = listOfNotNull(
            SessionDeletes(sessions = sessions).takeIf { known.isNotEmpty() },
            SessionDeletes(sessionIds = unknown.toSet()).takeIf { unknown.isNotEmpty() },
        ).map { deletes -> call { api.batchDeleteMySessionWithHttpInfo(deletes) } }
        return DeleteOutcome(
            deleted = outcomes.flatMap { it.deleted },
            newer = outcomes.flatMap { it.newer },
            failed = outcomes.flatMap { it.failed },
        )
    }

    // Requests that Yunxin's SDK does not have.

    /** Returns the page after the one with this `nextCursor`. Each session is returned exactly once. */
    fun nextPage(nextCursor: String, limit: Int? = null): RecentSessionList =
        call { api.queryMySessionListWithHttpInfo(null, null, null, limit, null, nextCursor) }.also { seen(it.sessionList) }

    /** Returns the changes since a `syncToken`. */
    fun queryMySessionChanges(since: String): RecentSessionChanges =
        call { api.queryMySessionChangesWithHttpInfo(since, null, null) }.also { seen(it.updated) }

    /**
     * Sends a request. On a 429, a 503 or no response, it is retried after the seconds in `Retry-After`. Without that header the
     * delay is 1, 2, 4, … seconds plus a random part of another second, so that devices do not all return at the same time.
     */
    private fun <T : Any> call(make: () -> ApiResponse<T?>): T {
        for (tried in 1..MAX_TRIES) {
            val answer = try {
                make()
            } catch (error: IOException) {
                if (tried == MAX_TRIES) throw error
                null
            }
            if (answer is session.api.infrastructure.Success<*>) {
                @Suppress("UNCHECKED_CAST")
                return answer.data as T
            }
            val status = answer?.statusCode ?: 0
            if (tried == MAX_TRIES || status !in listOf(0, 429, 503)) throw ApiError.of(status, answer)
            val after = answer?.headers?.get("retry-after")?.firstOrNull()?.toLongOrNull()
            pause(after?.times(1000) ?: ((1000L shl (tried - 1)) + Random.nextLong(1000)))
        }
        error("not reached")
    }

    private companion object {
        const val MAX_TRIES = 5
    }
}

/** The error for a response that is not a success. `type` is the case that a program may act on, such as `no-such-session`. */
class ApiError(val status: Int, val type: String, val parameter: String?, message: String) : Exception(message) {
    companion object {
        fun of(status: Int, answer: ApiResponse<*>?): ApiError {
            val body = (answer as? ClientError)?.body ?: (answer as? ServerError)?.body
            val problem = (body as? String)?.let {
                runCatching { Serializer.moshi.adapter(session.api.models.Error::class.java).fromJson(it) }.getOrNull()
            }
            val type = problem?.type?.substringAfterLast(':') ?: ""
            return ApiError(status, type, problem?.parameter, problem?.detail ?: problem?.message ?: "status $status")
        }
    }
}

/** The last content of a session. */
sealed interface Shown {
    data class Message(val message: LastMessage) : Shown
    data class Recall(val notice: RecallNotice) : Shown
    /** There is no message yet, or one of a kind that this app does not know. */
    data object Nothing : Shown
}

/** Parses `lastMsg`, a JSON string. */
fun RecentSession.parseLastMsg(): Shown {
    val text = lastMsg ?: return Shown.Nothing
    return when (lastMsgType) {
        0 -> Serializer.moshi.adapter(LastMessage::class.java).fromJson(text)?.let(Shown::Message)
        1 -> Serializer.moshi.adapter(RecallNotice::class.java).fromJson(text)?.let(Shown::Recall)
        else -> null
    } ?: Shown.Nothing
}
