// Every Redis that the rooms are spread over: which shards it serves, how it is, what it has.

import { printCount } from '../lib/format';
import { groupShards, printNumbers, type ShardGroup } from '../lib/shards';
import { Badge, Freshness, Loaded, ViewHead } from '../parts/basics';
import { useConsole, useResource } from '../parts/hooks';

const AGAIN_MS = 3000;

function Row({ group: { where, numbers, up, role, rooms } }: { group: ShardGroup }) {
  return (
    <tr className={up ? '' : 'trouble'}>
      <th scope="row">
        <span className="address">{where}</span>
        <span className="hint node">
          {numbers.length === 1 ? 'Shard' : `${numbers.length} shards:`}{' '}
          {printNumbers(numbers)}
        </span>
      </th>
      <td>
        <Badge kind={up ? 'ready' : 'dead'}>{up ? 'answers' : 'does not answer'}</Badge>
      </td>
      <td className="right number">{rooms === null ? '–' : printCount(rooms)}</td>
      <td className="wide-only">{role ?? '–'}</td>
    </tr>
  );
}

export function Shards() {
  const { api } = useConsole();
  const shards = useResource('shards', () => api.shards(), AGAIN_MS);
  return (
    <>
      <ViewHead title="Shards" note={<Freshness resource={shards} />} />
      <section className="panel shards">
        <Loaded resource={shards}>
          {(data) => (
            <div className="table">
              <table>
                <caption className="hidden">Redis servers and their shards</caption>
                <thead>
                  <tr>
                    <th scope="col">Redis and its shards</th>
                    <th scope="col">State</th>
                    <th scope="col" className="right">
                      Rooms
                    </th>
                    <th scope="col" className="wide-only">
                      Role
                    </th>
                  </tr>
                </thead>
                <tbody>
                  {groupShards(data.shards).map((group) => (
                    <Row key={group.numbers[0]} group={group} />
                  ))}
                </tbody>
              </table>
            </div>
          )}
        </Loaded>
      </section>
    </>
  );
}
