package session

import java.io.IOException
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

/**
 * The four calls of Yunxin's Android SDK, by name and by the order of their parameters, over the generated client. They block; call them
 * where the app does its I/O. The token is asked for at every call: it may have been renewed.
 */
class SessionService(
    baseUrl: String,
    client: okhttp3.Call.Factory = okhttp3.OkHttpClient(),
    private val pause: (millis: Long) -> Unit = Thread::sleep,
    token: () -> String,
) {
    private val api = AppsApi(baseUrl, client).apply { accessTokenProvider = token }

    /** One page, newest first. A time of 0 or null is no bound. */
    fun queryMySessionList(
        minTimestamp: Long = 0,
        maxTimestamp: Long? = null,
        needLastMsg: Int? = null,
        limit: Int? = null,
        hasMore: Int? = null,
    ): RecentSessionList = call {
        api.queryMySessionListWithHttpInfo(minTimestamp, maxTimestamp, needLastMsg, limit, hasMore, null)
    }

    fun queryMySession(sessionId: String): RecentSession = call { api.queryMySessionWithHttpInfo(sessionId) }

    /** An empty text removes it. A session that is absent or deleted is made. */
    fun updateMySession(sessionId: String, ext: String): RecentSession =
        call { api.updateMySessionWithHttpInfo(sessionId, SessionUpdate(ext)) }

    fun deleteMySession(sessionIds: Array<String>): DeleteOutcome =
        call { api.batchDeleteMySessionWithHttpInfo(SessionDeletes(sessionIds.toSet())) }

    // What Yunxin's SDK does not have.

    /** The page after the one that had this `nextCursor`: each session exactly once. */
    fun nextPage(nextCursor: String, limit: Int? = null): RecentSessionList =
        call { api.queryMySessionListWithHttpInfo(null, null, null, limit, null, nextCursor) }

    /** What has changed since a `syncToken`. */
    fun queryMySessionChanges(since: String): RecentSessionChanges =
        call { api.queryMySessionChangesWithHttpInfo(since, null, null) }

    /** Hides a session unless it shows something newer than this device does. */
    fun deleteMySession(sessionId: String, upTo: Long): DeleteOutcome =
        call { api.deleteMySessionWithHttpInfo(sessionId, upTo) }

    /**
     * Makes a call. One that was answered 429 or 503, or not at all, is made again: after the seconds that `Retry-After` says, or after 1,
     * 2, 4, … seconds and a part of one more, so that devices do not come back all at once.
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

/** An answer other than the one that was asked for. `type` is the case that a program may act on, such as `no-such-session`. */
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

/** What a session shows last. */
sealed interface Shown {
    data class Message(val message: LastMessage) : Shown
    data class Recall(val notice: RecallNotice) : Shown
    /** No message yet, or one of a kind that this app does not know. */
    data object Nothing : Shown
}

/** Reads `lastMsg`, which is JSON text. */
fun RecentSession.parseLastMsg(): Shown {
    val text = lastMsg ?: return Shown.Nothing
    return when (lastMsgType) {
        0 -> Serializer.moshi.adapter(LastMessage::class.java).fromJson(text)?.let(Shown::Message)
        1 -> Serializer.moshi.adapter(RecallNotice::class.java).fromJson(text)?.let(Shown::Recall)
        else -> null
    } ?: Shown.Nothing
}
