// One room: what is said in it, who is in, who may not be, and when it expires.

import { ArrowLeft, Trash2 } from 'lucide-react';
import { type ReactNode, useState } from 'react';
import { ApiError, type RoomDetail } from '../lib/api';
import { printCount, printPeople } from '../lib/format';
import {
  Empty,
  Failed,
  Freshness,
  Loading,
  Name,
  Time,
  ViewHead,
} from '../parts/basics';
import { CloseRoom } from '../parts/CloseRoom';
import { Countdown } from '../parts/Countdown';
import {
  type Resource,
  useConsole,
  useMay,
  useResource,
  useStreamEvents,
} from '../parts/hooks';
import { RoomEntries } from '../parts/RoomEntries';
import { RoomMembers } from '../parts/RoomMembers';
import { RoomTalk } from '../parts/RoomTalk';

const AGAIN_MS = 3000;
const CHANGES = new Set([
  'room_opened',
  'room_closed',
  'room_expired',
  'member_joined',
  'member_left',
  'reset',
  'audit',
]);

/** The place of each is kept while nothing is known. */
function Facts({ detail, at }: { detail: RoomDetail | null; at: number }) {
  const facts: [string, ReactNode][] = [
    ['In it', detail && printPeople(detail.members)],
    ['Messages', detail && printCount(detail.seq)],
    ['Kept', detail && printCount(detail.history_length)],
    ['Made', detail && detail.created_at > 0 && <Time ms={detail.created_at} />],
    ['Expires in', detail && <Expiry detail={detail} at={at} />],
    ...(detail?.broken ? [['Broken', detail.broken] as [string, ReactNode]] : []),
  ];
  return (
    <dl className="facts">
      {facts.map(([title, fact]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd className="number">{fact || '–'}</dd>
        </div>
      ))}
    </dl>
  );
}

function Expiry({ detail, at }: { detail: RoomDetail; at: number }) {
  if (detail.ttl_ms === null) return 'not while somebody is in';
  return <Countdown ttlMs={detail.ttl_ms} at={at} />;
}

function Missing({ resource }: { resource: Resource<RoomDetail> }) {
  const { error, reload } = resource;
  if (!error) return <Loading />;
  if (!(error instanceof ApiError && error.status === 404))
    return <Failed error={error} onRetry={reload} />;
  return (
    <Empty title="There is no such room">
      It has expired, was closed, or was never made. Its bans and mutes still hold.
    </Empty>
  );
}

export function Room({ room }: { room: string }) {
  const { api } = useConsole();
  const [closing, setClosing] = useState(false);
  const mayClose = useMay('admin');
  const detail = useResource(`room ${room}`, () => api.room(room), AGAIN_MS);
  const { data } = detail;

  useStreamEvents(({ type }) => {
    if (CHANGES.has(type)) detail.reload();
  });
  return (
    <>
      <ViewHead
        title={
          <>
            <a href="#/rooms" className="back" aria-label="All rooms">
              <ArrowLeft aria-hidden />
            </a>
            <Name>{room}</Name>
          </>
        }
        note={<Freshness resource={detail} />}
      >
        {mayClose && (
          <button
            type="button"
            className="danger"
            disabled={!data}
            onClick={() => setClosing(true)}
          >
            <Trash2 aria-hidden /> Close room
          </button>
        )}
      </ViewHead>
      <Facts detail={data} at={detail.at} />
      <div className="room-grid">
        {data ? (
          <RoomTalk room={room} epoch={data.epoch} onPosted={detail.reload} />
        ) : (
          <section className="panel talk">
            <Missing resource={detail} />
          </section>
        )}
        <div className="room-side">
          <RoomMembers room={room} onDone={detail.reload} />
          <RoomEntries room={room} deed="ban" />
          <RoomEntries room={room} deed="mute" />
        </div>
      </div>
      {closing && (
        <CloseRoom
          room={room}
          onClose={() => setClosing(false)}
          onDone={detail.reload}
        />
      )}
    </>
  );
}
