/**
 * Gives each partition an owner, evenly (the counts differ by one at most) and with as few moves as possible.
 * `owners[partition]` is today's owner; owners that are no longer members lose theirs.
 */
export function assignEvenly<Member>(
  owners: readonly (Member | undefined)[],
  members: readonly Member[],
): (Member | undefined)[] {
  const assigned: (Member | undefined)[] = owners.map(() => undefined)
  if (members.length === 0) return assigned
  const least = Math.floor(owners.length / members.length)
  let withOneMore = owners.length % members.length
  const counts = new Map<Member, number>(members.map((member) => [member, 0]))

  function takes(member: Member): boolean {
    const count = counts.get(member)
    if (count === undefined || count > least || (count === least && withOneMore === 0)) return false
    if (count === least) withOneMore -= 1
    counts.set(member, count + 1)
    return true
  }

  owners.forEach((owner, partition) => {
    if (owner !== undefined && takes(owner)) assigned[partition] = owner
  })
  owners.forEach((_, partition) => {
    assigned[partition] ??= members.find(takes)
  })
  return assigned
}
